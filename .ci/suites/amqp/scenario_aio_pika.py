"""The scenario with aio-pika: confirms at once, prefetch, topic exchange, requests with answers, robust connection."""

import asyncio
import sys

import aio_pika
from aio_pika.patterns import RPC


async def main():
    connection = await aio_pika.connect_robust(sys.argv[1])
    async with connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=20)
        exchange = await channel.declare_exchange("aio", aio_pika.ExchangeType.TOPIC, durable=True)
        queue = await channel.declare_queue("aio-work", durable=True)
        await queue.bind(exchange, "*.done")
        messages = [aio_pika.Message(str(number).encode(), headers={"n": number}) for number in range(1000)]
        await asyncio.gather(*(exchange.publish(message, "a.done") for message in messages))
        seen = set()
        async with queue.iterator(timeout=20) as messages:
            async for message in messages:
                async with message.process():
                    seen.add(message.headers["n"])
                if len(seen) == 1000:
                    break
        assert seen == set(range(1000)), len(seen)

        rpc = await RPC.create(channel)

        async def double(*, number):
            return number * 2

        await rpc.register("double", double, auto_delete=True)
        answers = await asyncio.gather(*(rpc.proxy.double(number=number) for number in range(20)))
        assert answers == [number * 2 for number in range(20)], answers
        await queue.delete(if_unused=False, if_empty=False)
    print("aio-pika: all well")


asyncio.run(main())
