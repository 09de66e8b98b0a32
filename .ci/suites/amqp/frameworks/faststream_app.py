"""A FastStream application: typed subscribers and publishers, a topic exchange, requests with answers, a message that is
requeued and one that is rejected to the dead letters, and the broker killed while it runs.

Called as: faststream_app.py URL RESTART, where RESTART is a command that kills the broker and starts it again.
"""

import asyncio
import logging
import sys

from faststream import AckPolicy, FastStream
from faststream.rabbit import ExchangeType, RabbitBroker, RabbitExchange, RabbitMessage, RabbitQueue
from pydantic import BaseModel

URL, RESTART = sys.argv[1], sys.argv[2]
ORDERS = 200
# It says at length that the broker is gone, which it is.
logging.disable(logging.ERROR)

broker = RabbitBroker(URL, logger=None, reconnect_interval=0.2)
app = FastStream(broker, logger=None)
exchange = RabbitExchange("stream", type=ExchangeType.TOPIC, durable=True)
dead = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "stream-dead"}
invoiced, tries, letters = set(), [], []


class Order(BaseModel):
    number: int
    price: float


class Invoice(BaseModel):
    number: int
    total: float


@broker.subscriber(RabbitQueue("stream-orders", durable=True, routing_key="order.*"), exchange, ack_policy=AckPolicy.NACK_ON_ERROR)
@broker.publisher("stream-invoices", persist=True)
async def invoice(order: Order) -> Invoice:
    return Invoice(number=order.number, total=order.price * 2)


@broker.subscriber(RabbitQueue("stream-invoices", durable=True))
async def note(invoice: Invoice):
    assert invoice.total == invoice.number * 3.0
    invoiced.add(invoice.number)


@broker.subscriber("stream-double")
async def double(number: int) -> int:
    return number * 2


@broker.subscriber(RabbitQueue("stream-fragile", durable=True, arguments=dead), ack_policy=AckPolicy.MANUAL)
async def fragile(body: str, message: RabbitMessage):
    tries.append(message.raw_message.redelivered)
    if len(tries) == 1:
        await message.nack(requeue=True)
    else:
        await message.reject(requeue=False)


@broker.subscriber(RabbitQueue("stream-dead", durable=True))
async def letter(body: str, message: RabbitMessage):
    letters.append(message.headers["x-first-death-reason"])


async def until(holds, what):
    async with asyncio.timeout(60):
        while not holds():
            await asyncio.sleep(0.05)
    assert holds(), what


async def send(number):
    while True:
        try:
            return await broker.publish(Order(number=number, price=number * 1.5), exchange=exchange, routing_key="order.eu", persist=True)
        except Exception:
            await asyncio.sleep(0.2)


async def scenario():
    answers = [await broker.request(number, "stream-double", timeout=20) for number in range(10)]
    assert [await answer.decode() for answer in answers] == [number * 2 for number in range(10)]
    await broker.publish("x", "stream-fragile", persist=True)
    await until(lambda: letters == ["rejected"], "what is rejected is a dead letter")
    assert tries == [False, True], tries
    for number in range(ORDERS // 2):
        await send(number)
    restarting = await asyncio.create_subprocess_shell(RESTART)
    for number in range(ORDERS // 2, ORDERS):
        await send(number)
    assert await restarting.wait() == 0
    await until(lambda: len(invoiced) == ORDERS, "every order has an invoice")
    print("faststream: all well")
    app.exit()


failed = []


@app.after_startup
async def begin():
    async def run():
        try:
            await asyncio.wait_for(scenario(), 120)
        except BaseException as error:
            failed.append(error)
            app.exit()

    begin.task = asyncio.create_task(run())


asyncio.run(app.run())
if failed:
    raise failed[0]
