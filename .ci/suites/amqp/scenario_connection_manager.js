// The scenario with amqp-connection-manager, which connects again by itself: topology, confirms, requeue, dead letter,
// delay, and publishing and consuming while the broker is killed and started again.
// Called as: scenario_connection_manager.js URL RESTART
const assert = require('assert');
const { exec } = require('child_process');
const { promisify } = require('util');
const manager = require('amqp-connection-manager');

const MESSAGES = 2000;
const [url, restart] = process.argv.slice(2);

async function topology(channel) {
  await channel.assertExchange('manager', 'topic', { durable: true });
  await channel.assertExchange('manager-later', 'x-delayed-message', { durable: true, arguments: { 'x-delayed-type': 'direct' } });
  await channel.assertQueue('manager-dead', { durable: true });
  await channel.assertQueue('manager-work', { durable: true, deadLetterExchange: '', deadLetterRoutingKey: 'manager-dead' });
  await channel.bindQueue('manager-work', 'manager', 'eu.#');
  await channel.bindQueue('manager-work', 'manager-later', 'later');
  await channel.prefetch(50);
}

// The next message of a queue that `wanted` agrees to; each is settled by `wanted` itself.
function take(channel, queue, wanted) {
  return new Promise((resolve, reject) => {
    let consumer;
    const took = (message) => {
      try {
        const found = wanted(message);
        if (found !== undefined) consumer.then(({ consumerTag }) => channel.cancel(consumerTag)).then(() => resolve(found), reject);
      } catch (error) {
        reject(error);
      }
    };
    consumer = channel.consume(queue, took, { noAck: false });
  });
}

async function requeuedAndDead(channel) {
  await channel.publish('manager', 'eu.de', Buffer.from('hello'), { persistent: true, headers: { number: 7 } });
  let times = 0;
  await take(channel, 'manager-work', (message) => {
    times += 1;
    assert.strictEqual(message.fields.redelivered, times > 1);
    channel.nack(message, false, times === 1);
    return times === 2 ? true : undefined;
  });
  const dead = await take(channel, 'manager-dead', (message) => { channel.ack(message); return message; });
  assert.strictEqual(dead.properties.headers['x-death'][0].reason, 'rejected');
  assert.strictEqual(dead.properties.headers.number, 7);
}

async function delayed(channel) {
  const began = Date.now();
  await channel.publish('manager-later', 'later', Buffer.from('late'), { headers: { 'x-delay': 500 } });
  await take(channel, 'manager-work', (message) => { channel.ack(message); return message; });
  assert(Date.now() - began >= 500);
}

async function killed(channel) {
  const seen = new Set();
  const all = new Promise((resolve) => {
    channel.consume('manager-work', (message) => {
      seen.add(Number(message.content.toString()));
      channel.ack(message);
      if (seen.size === MESSAGES) resolve();
    }, { noAck: false });
  });
  // The manager keeps what it has not sent; what was on its way when the connection broke it gives back.
  const publishOne = (number) => (
    channel.publish('manager', 'eu.x', Buffer.from(String(number)), { persistent: true }).catch(() => publishOne(number))
  );
  const publish = (from, to) => Array.from({ length: to - from }, (_, at) => publishOne(from + at));
  const first = publish(0, MESSAGES / 2);
  const restarting = promisify(exec)(restart);
  const second = publish(MESSAGES / 2, MESSAGES);
  await restarting;
  await Promise.all([...first, ...second]);
  await all;
}

async function main() {
  const connection = manager.connect([url], { heartbeatIntervalInSeconds: 5, reconnectTimeInSeconds: 0.2 });
  const channel = connection.createChannel({ setup: topology });
  await channel.waitForConnect();
  await requeuedAndDead(channel);
  await delayed(channel);
  let connected = 0;
  connection.on('connect', () => { connected += 1; });
  await killed(channel);
  assert(connected >= 1, 'the connection came again');
  await channel.cancelAll();
  await channel.deleteQueue('manager-work');
  await channel.close();
  await connection.close();
  console.log('amqp-connection-manager: all well');
}

main().catch((error) => { console.error(error); process.exit(1); });
