"""pika over TLS: log in by certificate, and by password over the same port; a stream, read again from where one says.

Usage: scenario_streams.py PORT AUTHORITY CERTIFICATE KEY PASSWORD
The certificate's common name is `admin`, the only user that there is.
"""

import ssl
import sys

import pika
import pika.credentials

port, authority, certificate, key, password = sys.argv[1:]


def connection(credentials, shows=False):
    context = ssl.create_default_context(cafile=authority)
    if shows:
        context.load_cert_chain(certificate, key)
    options = pika.SSLOptions(context, "localhost")
    return pika.BlockingConnection(
        pika.ConnectionParameters("127.0.0.1", int(port), ssl_options=options, credentials=credentials)
    )


def read(channel, queue, offset, count):
    """The bodies and offsets of so many messages."""
    seen = []
    channel.basic_qos(prefetch_count=5)
    arguments = {"x-stream-offset": offset}
    for method, properties, body in channel.consume(queue, arguments=arguments, inactivity_timeout=20):
        assert method is not None, f"nothing came behind {seen}"
        channel.basic_ack(method.delivery_tag)
        seen.append((body, properties.headers["x-stream-offset"]))
        if len(seen) == count:
            break
    channel.cancel()
    return seen


by_password = connection(pika.PlainCredentials("admin", password))
channel = by_password.channel()
channel.confirm_delivery()
channel.queue_declare("history", durable=True, arguments={"x-queue-type": "stream", "x-max-age": "7D"})
for number in range(20):
    channel.basic_publish("", "history", f"m{number}".encode(), mandatory=True)
print("published 20 over amqps")

by_certificate = connection(pika.credentials.ExternalCredentials(), shows=True)
channel = by_certificate.channel()
assert channel.queue_declare("history", passive=True).method.message_count == 20
whole = [(f"m{number}".encode(), number) for number in range(20)]
assert read(channel, "history", "first", 20) == whole
assert read(channel, "history", "first", 20) == whole, "it is read as often as one likes"
assert read(channel, "history", 15, 5) == whole[15:]
assert read(channel, "history", "last", 1) == whole[19:]
print("a stream is read again from where one says, by a login without password")

try:
    connection(pika.credentials.ExternalCredentials())
    raise SystemExit("who shows no certificate was let in by one")
except pika.exceptions.AMQPError:
    print("without a certificate there is no EXTERNAL")

channel.queue_delete("history")
by_certificate.close()
by_password.close()
