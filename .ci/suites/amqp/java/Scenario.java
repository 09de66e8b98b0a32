// The whole scenario with RabbitMQ's Java client: topology, confirms in flight, requeue, dead letter, delay, returns, and
// automatic recovery after the broker is killed in the middle of publishing and consuming.
// Called as: Scenario URL RESTART, where RESTART is a command that kills the broker and starts it again.

import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.AlreadyClosedException;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.Delivery;
import com.rabbitmq.client.GetResponse;
import com.rabbitmq.client.MessageProperties;
import com.rabbitmq.client.Recoverable;
import com.rabbitmq.client.RecoveryListener;
import com.rabbitmq.client.ShutdownSignalException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

public final class Scenario {
    private static final int MESSAGES = 4000;

    public static void main(String[] arguments) throws Exception {
        ConnectionFactory factory = new ConnectionFactory();
        factory.setUri(arguments[0]);
        factory.setNetworkRecoveryInterval(200);
        try (Connection connection = factory.newConnection("scenario")) {
            Channel channel = connection.createChannel();
            topology(channel);
            requeuedAndDead(channel);
            returned(channel);
            delayed(channel);
            refused(connection);
        }
        try (Connection connection = factory.newConnection("restart")) {
            restart(connection, arguments[1]);
        }
        System.out.println("java: all well");
    }

    private static void check(boolean holds, Object what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }

    private static byte[] bytes(Object of) {
        return of.toString().getBytes(StandardCharsets.UTF_8);
    }

    private static String text(byte[] body) {
        return new String(body, StandardCharsets.UTF_8);
    }

    /** Consumes into a queue of this program. */
    private static BlockingQueue<Delivery> consume(Channel channel, String queue, String tag) throws IOException {
        BlockingQueue<Delivery> deliveries = new LinkedBlockingQueue<>();
        channel.basicConsume(queue, false, tag, (any, delivery) -> deliveries.add(delivery), any -> {});
        return deliveries;
    }

    private static Delivery next(BlockingQueue<Delivery> deliveries) throws InterruptedException {
        Delivery delivery = deliveries.poll(20, TimeUnit.SECONDS);
        check(delivery != null, "nothing came");
        return delivery;
    }

    private static void topology(Channel channel) throws Exception {
        channel.exchangeDeclare("java", "topic", true);
        channel.queueDeclare("java-dead", true, false, false, null);
        Map<String, Object> arguments = Map.of(
            "x-queue-type", "quorum", "x-dead-letter-exchange", "", "x-dead-letter-routing-key", "java-dead");
        channel.queueDeclare("java-work", true, false, false, arguments);
        channel.queueBind("java-work", "java", "eu.#");
        channel.confirmSelect();
        check(channel.queueDeclarePassive("java-work").getMessageCount() == 0, "a new queue is empty");
    }

    private static void requeuedAndDead(Channel channel) throws Exception {
        AMQP.BasicProperties sent = new AMQP.BasicProperties.Builder()
            .contentType("text/plain").deliveryMode(2).priority(3).correlationId("c").replyTo("r").messageId("m")
            .type("t").appId("a").headers(Map.of("number", 7, "long", 1L << 40, "yes", true, "list", List.of(1, 2)))
            .build();
        channel.basicPublish("java", "eu.de", true, sent, bytes("hello"));
        channel.waitForConfirmsOrDie(20_000);
        channel.basicQos(1);
        BlockingQueue<Delivery> work = consume(channel, "java-work", "worker");
        Delivery first = next(work);
        AMQP.BasicProperties got = first.getProperties();
        check(!first.getEnvelope().isRedeliver() && text(first.getBody()).equals("hello"), first.getEnvelope());
        check(got.getCorrelationId().equals("c") && got.getPriority() == 3 && got.getAppId().equals("a"), got);
        check(got.getHeaders().equals(sent.getHeaders()), got.getHeaders());
        channel.basicNack(first.getEnvelope().getDeliveryTag(), false, true);
        Delivery second = next(work);
        check(second.getEnvelope().isRedeliver(), "it comes again");
        check(((Number) second.getProperties().getHeaders().get("x-delivery-count")).longValue() == 1, second);
        channel.basicReject(second.getEnvelope().getDeliveryTag(), false);
        channel.basicCancel("worker");
        Delivery dead = next(consume(channel, "java-dead", "undertaker"));
        Map<?, ?> death = (Map<?, ?>) ((List<?>) dead.getProperties().getHeaders().get("x-death")).get(0);
        check(death.get("reason").toString().equals("rejected") && death.get("queue").toString().equals("java-work"), death);
        channel.basicAck(dead.getEnvelope().getDeliveryTag(), false);
        channel.basicCancel("undertaker");
        GetResponse nothing = channel.basicGet("java-work", true);
        check(nothing == null, "the queue is empty");
    }

    private static void returned(Channel channel) throws Exception {
        BlockingQueue<String> returned = new LinkedBlockingQueue<>();
        channel.addReturnListener(back -> returned.add(back.getReplyText() + " " + text(back.getBody())));
        channel.basicPublish("java", "us", true, MessageProperties.PERSISTENT_TEXT_PLAIN, bytes("lost"));
        channel.waitForConfirmsOrDie(20_000);
        check("NO_ROUTE lost".equals(returned.poll(5, TimeUnit.SECONDS)), "an unroutable message comes back");
    }

    private static void delayed(Channel channel) throws Exception {
        channel.exchangeDeclare("java-later", "x-delayed-message", true, false, Map.of("x-delayed-type", "direct"));
        channel.queueDeclare("java-late", true, false, false, null);
        channel.queueBind("java-late", "java-later", "k");
        Map<String, Object> arguments = Map.of(
            "x-message-ttl", 300, "x-dead-letter-exchange", "", "x-dead-letter-routing-key", "java-late");
        channel.queueDeclare("java-short-lived", true, false, false, arguments);
        long began = System.nanoTime();
        AMQP.BasicProperties delay = new AMQP.BasicProperties.Builder().headers(Map.of("x-delay", 600)).build();
        channel.basicPublish("java-later", "k", delay, bytes("delayed"));
        channel.basicPublish("", "java-short-lived", null, bytes("expired"));
        BlockingQueue<Delivery> late = consume(channel, "java-late", "late");
        channel.basicQos(0);
        for (String expected : List.of("expired", "delayed")) {
            Delivery delivery = next(late);
            check(text(delivery.getBody()).equals(expected), expected);
            channel.basicAck(delivery.getEnvelope().getDeliveryTag(), false);
        }
        check(System.nanoTime() - began >= 600_000_000L, "a delay is kept");
    }

    private static void refused(Connection connection) throws Exception {
        Channel channel = connection.createChannel();
        try {
            channel.queueDeclarePassive("nowhere");
            throw new AssertionError("404 was expected");
        } catch (IOException error) {
            ShutdownSignalException reason = (ShutdownSignalException) error.getCause();
            check(((AMQP.Channel.Close) reason.getReason()).getReplyCode() == AMQP.NOT_FOUND, reason);
        }
    }

    /** Publishes and consumes while the broker is killed: nothing that was confirmed may be missing. */
    private static void restart(Connection connection, String command) throws Exception {
        CountDownLatch recovered = new CountDownLatch(1);
        ((Recoverable) connection).addRecoveryListener(new RecoveryListener() {
            @Override
            public void handleRecovery(Recoverable recoverable) {
                recovered.countDown();
            }

            @Override
            public void handleRecoveryStarted(Recoverable recoverable) {}
        });
        Channel out = connection.createChannel();
        Channel in = connection.createChannel();
        Set<Integer> seen = ConcurrentHashMap.newKeySet();
        in.basicQos(100);
        in.basicConsume("java-work", false, (any, delivery) -> {
            seen.add(Integer.parseInt(text(delivery.getBody())));
            try {
                in.basicAck(delivery.getEnvelope().getDeliveryTag(), false);
            } catch (AlreadyClosedException gone) {
                // It comes again.
            }
        }, any -> {});
        Set<Integer> confirmed = ConcurrentHashMap.newKeySet();
        ConcurrentSkipListMap<Long, Integer> waiting = new ConcurrentSkipListMap<>();
        out.confirmSelect();
        out.addConfirmListener((tag, multiple) -> settle(waiting, tag, multiple, confirmed), (tag, multiple) -> {});
        publish(out, 0, MESSAGES / 2, waiting);
        Process restarting = new ProcessBuilder("bash", "-c", command).inheritIO().start();
        publish(out, MESSAGES / 2, MESSAGES, waiting);
        check(restarting.waitFor() == 0, "the broker starts again");
        check(recovered.await(60, TimeUnit.SECONDS), "the connection recovers by itself");
        // Whoever has no confirm sends again, as a publisher must.
        waiting.clear();
        for (int number = 0; number < MESSAGES; number++) {
            if (!confirmed.contains(number)) {
                waiting.put(out.getNextPublishSeqNo(), number);
                out.basicPublish("java", "eu.x", MessageProperties.PERSISTENT_TEXT_PLAIN, bytes(number));
            }
        }
        check(out.waitForConfirms(30_000), "all is confirmed");
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
        while (seen.size() < MESSAGES && System.nanoTime() < deadline) {
            Thread.sleep(10);
        }
        check(seen.size() == MESSAGES, seen.size() + " of " + MESSAGES);
        // The consumer must be gone before its messages are counted.
        in.close();
        check(out.queueDeclarePassive("java-work").getMessageCount() == 0, "nothing is left");
        out.queueDelete("java-work");
    }

    /** Publishes from one number to another, or until the connection is gone. */
    private static void publish(Channel out, int from, int to, ConcurrentSkipListMap<Long, Integer> waiting) {
        for (int number = from; number < to; number++) {
            waiting.put(out.getNextPublishSeqNo(), number);
            try {
                out.basicPublish("java", "eu.x", MessageProperties.PERSISTENT_TEXT_PLAIN, bytes(number));
            } catch (AlreadyClosedException | IOException gone) {
                return;
            }
        }
    }

    private static void settle(ConcurrentSkipListMap<Long, Integer> waiting, long tag, boolean multiple, Set<Integer> confirmed) {
        Map<Long, Integer> settled = multiple ? waiting.headMap(tag, true) : waiting.subMap(tag, true, tag, true);
        confirmed.addAll(settled.values());
        settled.clear();
    }
}
