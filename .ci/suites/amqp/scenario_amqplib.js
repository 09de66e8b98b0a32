// The scenario with amqplib: topology, confirms, request and direct reply, requeue, cancel notify.
const assert = require('assert');
const amqp = require('amqplib');

async function main() {
  const connection = await amqp.connect(process.argv[2]);
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
  console.log('amqplib: all well');
}

main().catch((error) => { console.error(error); process.exit(1); });
