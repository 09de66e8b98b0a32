// NestJS microservices over RabbitMQ: a service with message patterns and event patterns that it settles itself, and a
// client that sends requests, streams and events; then the broker is killed, and both go on.
// Called as: app.js URL RESTART. Without TypeScript the decorators are called by hand.
require('reflect-metadata');
const assert = require('assert');
const { exec } = require('child_process');
const { promisify } = require('util');
const { Controller, Module } = require('@nestjs/common');
const { NestFactory } = require('@nestjs/core');
const { ClientProxyFactory, Ctx, EventPattern, MessagePattern, Payload, Transport } = require('@nestjs/microservices');
const { firstValueFrom, from, retry, timeout, toArray } = require('rxjs');

const [url, restart] = process.argv.slice(2);
const seen = new Map();

class Service {
  sum(numbers, context) {
    context.getChannelRef().ack(context.getMessage());
    return numbers.reduce((sum, number) => sum + number, 0);
  }

  countdown(number, context) {
    context.getChannelRef().ack(context.getMessage());
    return from(Array.from({ length: number }, (_, at) => number - at));
  }

  created({ id }, context) {
    const times = (seen.get(id) ?? 0) + 1;
    seen.set(id, times);
    // The first event is given back once.
    const channel = context.getChannelRef();
    if (id === 0 && times === 1) channel.nack(context.getMessage());
    else channel.ack(context.getMessage());
  }
}

function decorate(name, ...decorators) {
  const descriptor = Object.getOwnPropertyDescriptor(Service.prototype, name);
  for (const decorator of decorators) decorator(Service.prototype, name, descriptor);
  Payload()(Service.prototype, name, 0);
  Ctx()(Service.prototype, name, 1);
}
decorate('sum', MessagePattern({ command: 'sum' }));
decorate('countdown', MessagePattern({ command: 'countdown' }));
decorate('created', EventPattern('order.created'));
Controller()(Service);
class Application {}
Module({ controllers: [Service] })(Application);

const options = {
  urls: [url],
  queue: 'nest',
  queueOptions: { durable: true },
  prefetchCount: 10,
  persistent: true,
  socketOptions: { heartbeatIntervalInSeconds: 5, reconnectTimeInSeconds: 1 },
};

async function until(holds, what) {
  const deadline = Date.now() + 60000;
  while (!holds()) {
    assert(Date.now() < deadline, what);
    await new Promise((resolve) => { setTimeout(resolve, 50); });
  }
}

async function main() {
  const service = await NestFactory.createMicroservice(Application, {
    transport: Transport.RMQ, options: { ...options, noAck: false }, logger: false,
  });
  await service.listen();
  const client = ClientProxyFactory.create({ transport: Transport.RMQ, options });
  await client.connect();
  const ask = (pattern, payload) => client.send({ command: pattern }, payload).pipe(timeout(10000));
  assert.strictEqual(await firstValueFrom(ask('sum', [1, 2, 3])), 6);
  assert.deepStrictEqual(await firstValueFrom(ask('countdown', 3).pipe(toArray())), [3, 2, 1]);
  for (let id = 0; id < 100; id++) await firstValueFrom(client.emit('order.created', { id }));
  await until(() => seen.size === 100 && seen.get(0) === 2, 'every event comes, and what was given back comes again');

  await promisify(exec)(restart);
  assert.strictEqual(await firstValueFrom(ask('sum', [4, 5]).pipe(retry({ count: 10, delay: 500 }))), 9);
  await firstValueFrom(client.emit('order.created', { id: 100 }));
  await until(() => seen.has(100), 'events come after the broker has started again');
  await client.close();
  await service.close();
  console.log('nestjs: all well');
}

main().catch((error) => { console.error(error); process.exit(1); });
