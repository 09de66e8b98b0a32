// The scenario with amqplib: topology, confirms, requeue, dead letter, delay, request and direct reply, cancel notify, and
// what was confirmed before the broker is killed.
// Called as: scenario_amqplib.js URL RESTART
const assert = require('assert');
const { exec } = require('child_process');
const { promisify } = require('util');
const amqp = require('amqplib');

const [url, restart] = process.argv.slice(2);

// The next message of a queue, settled by nobody.
async function take(channel, queue) {
  let tag;
  const message = await new Promise((resolve) => {
    tag = channel.consume(queue, resolve);
  });
  await channel.cancel((await tag).consumerTag);
  return message;
}

async function deadAndDelayed(channel) {
  await channel.assertQueue('node-dead', { durable: true });
  await channel.assertQueue('node-mortal', { durable: true, deadLetterExchange: '', deadLetterRoutingKey: 'node-dead' });
  await channel.assertExchange('node-later', 'x-delayed-message', { durable: true, arguments: { 'x-delayed-type': 'direct' } });
  await channel.bindQueue('node-mortal', 'node-later', 'k');
  const began = Date.now();
  channel.publish('node-later', 'k', Buffer.from('late'), { headers: { 'x-delay': 500 } });
  channel.nack(await take(channel, 'node-mortal'), false, false);
  assert(Date.now() - began >= 500);
  const letter = await take(channel, 'node-dead');
  assert.strictEqual(letter.properties.headers['x-death'][0].reason, 'rejected');
  channel.ack(letter);
}

async function killed() {
  let connection = await amqp.connect(url);
  // It breaks on purpose.
  connection.on('error', () => {});
  let channel = await connection.createConfirmChannel();
  await channel.assertQueue('node-kept', { durable: true });
  for (let number = 0; number < 500; number++) {
    channel.sendToQueue('node-kept', Buffer.from(String(number)), { persistent: true });
  }
  await channel.waitForConfirms();
  await promisify(exec)(restart);
  connection = await amqp.connect(url);
  channel = await connection.createConfirmChannel();
  await channel.prefetch(50);
  const seen = [];
  await new Promise((resolve) => {
    channel.consume('node-kept', (message) => {
      seen.push(Number(message.content.toString()));
      channel.ack(message);
      if (seen.length === 500) resolve();
    });
  });
  assert.deepStrictEqual(seen, Array.from({ length: 500 }, (_, number) => number));
  await connection.close();
}

async function main() {
  const connection = await amqp.connect(url);
  const channel = await connection.createConfirmChannel();
  await channel.assertExchange('node', 'direct', { durable: true });
  await channel.assertQueue('node-work', { durable: true });
  await channel.bindQueue('node-work', 'node', 'job');
  await channel.prefetch(10);

  for (let number = 0; number < 500; number++) {
    channel.publish('node', 'job', Buffer.from(String(number)), { persistent: true, headers: { number } });
  }
  await channel.waitForConfirms();
  let expected = 0;
  let requeued = false;
  await new Promise((resolve, reject) => {
    channel.consume('node-work', (message) => {
      try {
        if (expected === 3 && !requeued) {
          requeued = true;
          channel.nack(message);
          return;
        }
        if (message.fields.redelivered) {
          assert.strictEqual(message.content.toString(), '3');
        }
        expected += 1;
        channel.ack(message);
        if (expected === 500) resolve();
      } catch (error) {
        reject(error);
      }
    }, { consumerTag: 'worker' });
  });
  await channel.cancel('worker');
  await deadAndDelayed(channel);
  assert.strictEqual((await channel.checkQueue('node-work')).messageCount, 0);

  // A question with a direct reply.
  const server = await connection.createChannel();
  await server.assertQueue('node-rpc', { exclusive: true });
  await server.consume('node-rpc', (message) => {
    server.sendToQueue(message.properties.replyTo, Buffer.from('answer'), { correlationId: message.properties.correlationId });
    server.ack(message);
  });
  const answer = await new Promise((resolve) => {
    channel.consume('amq.rabbitmq.reply-to', resolve, { noAck: true }).then(() => {
      channel.sendToQueue('node-rpc', Buffer.from('question'), { replyTo: 'amq.rabbitmq.reply-to', correlationId: '1' });
    });
  });
  assert.strictEqual(answer.content.toString(), 'answer');
  assert.strictEqual(answer.properties.correlationId, '1');

  // A consumer is told when its queue goes.
  const told = new Promise((resolve) => {
    channel.consume('node-work', (message) => { if (message === null) resolve(); });
  });
  await channel.checkQueue('node-work');
  await server.deleteQueue('node-work');
  await told;
  await connection.close();
  await killed();
  console.log('amqplib: all well');
}

main().catch((error) => { console.error(error); process.exit(1); });
