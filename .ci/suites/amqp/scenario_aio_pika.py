"""The scenario with aio-pika: confirms at once, prefetch, topic exchange, requeue, dead letter, delay, requests with
answers, and its robust connection, which comes back by itself after the broker is killed.

Called as: scenario_aio_pika.py URL RESTART, where RESTART is a command that kills the broker and starts it again.
"""

import asyncio
import logging
import sys
import time

import aio_pika
from aio_pika.patterns import RPC

MESSAGES = 1000
URL, RESTART = sys.argv[1], sys.argv[2]
# It says at length that the broker is gone, which it is.
logging.disable(logging.ERROR)
BROKEN = (aio_pika.exceptions.AMQPError, ConnectionError, asyncio.CancelledError, RuntimeError)


async def one(queue):
    """The next message of a queue, settled by nobody."""
    async with queue.iterator(timeout=20) as messages:
        async for message in messages:
            return message


async def requeued_and_dead(channel, exchange, queue):
    dead = await channel.declare_queue("aio-dead", durable=True)
    await exchange.publish(aio_pika.Message(b"hello", headers={"n": 7}), "a.done")
    message = await queue.get(timeout=20)
    assert message.body == b"hello" and not message.redelivered
    await message.nack(requeue=True)
    message = await queue.get(timeout=20)
    assert message.redelivered
    await message.reject(requeue=False)
    letter = await one(dead)
    assert letter.headers["n"] == 7 and letter.headers["x-death"][0]["reason"] == "rejected", letter.headers
    await letter.ack()


async def delayed(channel, queue):
    later = await channel.declare_exchange("aio-later", "x-delayed-message", durable=True, arguments={"x-delayed-type": "direct"})
    await queue.bind(later, "k")
    began = time.monotonic()
    await later.publish(aio_pika.Message(b"late", headers={"x-delay": 500}), "k")
    message = await one(queue)
    assert message.body == b"late" and time.monotonic() - began >= 0.5
    await message.ack()


async def answers(channel):
    rpc = await RPC.create(channel)

    async def double(*, number):
        return number * 2

    await rpc.register("double", double, auto_delete=True)
    found = await asyncio.gather(*(rpc.proxy.double(number=number) for number in range(20)))
    assert found == [number * 2 for number in range(20)], found


async def restart(exchange, queue):
    """Publishes and consumes while the broker is killed: every number comes."""
    seen, every = set(), asyncio.Event()

    async def take(message):
        seen.add(message.headers["n"])
        if len(seen) == MESSAGES:
            every.set()
        try:
            await message.ack()
        except BROKEN:
            pass  # It comes again.

    async def send(number):
        while True:
            try:
                return await exchange.publish(aio_pika.Message(b"x", headers={"n": number}), "a.done")
            except BROKEN:
                await asyncio.sleep(0.2)

    tag = await queue.consume(take)
    sending = [asyncio.ensure_future(send(number)) for number in range(MESSAGES // 2)]
    restarting = await asyncio.create_subprocess_shell(RESTART)
    sending += [asyncio.ensure_future(send(number)) for number in range(MESSAGES // 2, MESSAGES)]
    assert await restarting.wait() == 0
    await asyncio.wait_for(asyncio.gather(*sending), 60)
    await asyncio.wait_for(every.wait(), 60)
    await queue.cancel(tag)


async def main():
    connection = await aio_pika.connect_robust(URL, reconnect_interval=0.2)
    async with connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=20)
        exchange = await channel.declare_exchange("aio", aio_pika.ExchangeType.TOPIC, durable=True)
        arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "aio-dead"}
        queue = await channel.declare_queue("aio-work", durable=True, arguments=arguments)
        await queue.bind(exchange, "*.done")
        await requeued_and_dead(channel, exchange, queue)
        await delayed(channel, queue)
        await restart(exchange, queue)
        await queue.delete(if_unused=False, if_empty=False)
    async with await aio_pika.connect_robust(URL) as connection:
        await answers(await connection.channel())
    print("aio-pika: all well")


asyncio.run(main())
