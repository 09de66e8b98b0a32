// A client of the acceptance with faults, with RabbitMQ's Java client: publishes with many confirms in flight, or drains a
// queue. What it does is on standard output before it goes on.
// Called as: Client publish URL QUEUE LABEL, or Client drain URL QUEUE
// Lines: `sent BODY MICROS` before a message is handed over, `confirmed BODY`, `refused BODY`, `taken BODY`.

import com.rabbitmq.client.AlreadyClosedException;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.Delivery;
import com.rabbitmq.client.MessageProperties;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentNavigableMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;

public final class Client {
    private static final int WINDOW = 200;
    /** How long nothing may come before a queue counts as drained. */
    private static final int SILENCE_SECONDS = 2;
    private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);

    private Client() {}

    public static void main(String[] arguments) throws Exception {
        ConnectionFactory factory = new ConnectionFactory();
        factory.setUri(arguments[1]);
        factory.setAutomaticRecoveryEnabled(false);
        Connection connection = factory.newConnection();
        if (arguments[0].equals("drain")) {
            drain(connection.createChannel(), arguments[2]);
            connection.close();
        } else {
            publish(connection, arguments[2], arguments[3]);
        }
        System.exit(0);
    }

    private static void publish(Connection connection, String queue, String label) throws Exception {
        Channel channel = connection.createChannel();
        channel.queueDeclare(queue, true, false, false, null);
        channel.confirmSelect();
        ConcurrentNavigableMap<Long, String> waiting = new ConcurrentSkipListMap<>();
        Semaphore window = new Semaphore(WINDOW);
        CountDownLatch closed = new CountDownLatch(1);
        channel.addConfirmListener(
            (tag, multiple) -> settle(waiting, tag, multiple, "confirmed ", window),
            (tag, multiple) -> settle(waiting, tag, multiple, "refused ", window));
        connection.addShutdownListener(cause -> {
            closed.countDown();
            window.release(WINDOW);
        });
        for (int number = 0; closed.getCount() > 0; number++) {
            window.acquire();
            String body = label + "-" + number;
            OUT.println("sent " + body + " " + ChronoUnit.MICROS.between(Instant.EPOCH, Instant.now()));
            waiting.put(channel.getNextPublishSeqNo(), body);
            try {
                channel.basicPublish("", queue, true, MessageProperties.PERSISTENT_BASIC, body.getBytes(StandardCharsets.UTF_8));
            } catch (AlreadyClosedException | IOException gone) {
                return;
            }
        }
    }

    private static void settle(ConcurrentNavigableMap<Long, String> waiting, long tag, boolean multiple, String word, Semaphore window) {
        ConcurrentNavigableMap<Long, String> settled = multiple ? waiting.headMap(tag, true) : waiting.subMap(tag, true, tag, true);
        settled.values().forEach(body -> OUT.println(word + body));
        window.release(settled.size());
        settled.clear();
    }

    private static void drain(Channel channel, String queue) throws Exception {
        BlockingQueue<Delivery> deliveries = new LinkedBlockingQueue<>();
        channel.basicQos(100);
        String tag = channel.basicConsume(queue, false, (any, delivery) -> deliveries.add(delivery), any -> {});
        while (true) {
            Delivery delivery = deliveries.poll(SILENCE_SECONDS, TimeUnit.SECONDS);
            if (delivery == null) {
                break;
            }
            OUT.println("taken " + new String(delivery.getBody(), StandardCharsets.UTF_8));
            channel.basicAck(delivery.getEnvelope().getDeliveryTag(), false);
        }
        channel.basicCancel(tag);
        long left = channel.messageCount(queue);
        if (left != 0) {
            throw new AssertionError(left + " messages were not given out");
        }
    }
}
