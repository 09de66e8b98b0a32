// What the application of Spring AMQP must be able to do: what it expects of the broker, step by step.
package scenario;

import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.BooleanSupplier;
import org.springframework.amqp.AmqpException;
import org.springframework.amqp.core.AmqpAdmin;
import org.springframework.amqp.core.Message;
import org.springframework.amqp.core.ReturnedMessage;
import org.springframework.amqp.rabbit.connection.CorrelationData;
import org.springframework.amqp.rabbit.core.RabbitTemplate;
import org.springframework.context.ConfigurableApplicationContext;

final class Scenario {
    private static final int ORDERS = 500;

    private final RabbitTemplate template;
    private final Application.Listeners listeners;

    Scenario(ConfigurableApplicationContext context) {
        template = context.getBean(RabbitTemplate.class);
        listeners = context.getBean(Application.Listeners.class);
    }

    private static void check(boolean holds, Object what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }

    private static void until(BooleanSupplier holds, String what) throws InterruptedException {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
        while (!holds.getAsBoolean()) {
            check(System.nanoTime() < deadline, what);
            Thread.sleep(20);
        }
    }

    /** Sends until it is confirmed. */
    private void send(int number) throws InterruptedException {
        while (true) {
            try {
                CorrelationData correlation = new CorrelationData();
                template.convertAndSend("spring", "order.de", new Application.Order(number, "de"), correlation);
                if (correlation.getFuture().get(20, TimeUnit.SECONDS).isAck()) {
                    return;
                }
            } catch (AmqpException | ExecutionException | TimeoutException gone) {
                Thread.sleep(200);
            }
        }
    }

    void ordinary(AmqpAdmin admin) throws Exception {
        for (int number : List.of(1, 21)) {
            check(Integer.valueOf(2 * number).equals(template.convertSendAndReceive("", "spring-double", number)), number);
        }
        CorrelationData unwanted = new CorrelationData();
        template.convertAndSend("spring", "nobody", new Application.Order(7, "us"), unwanted);
        check(unwanted.getFuture().get(20, TimeUnit.SECONDS).isAck(), "what nobody wants is confirmed");
        ReturnedMessage returned = unwanted.getReturned();
        check(returned != null && returned.getReplyText().equals("NO_ROUTE"), "and comes back before");
        template.convertAndSend("spring", "order.de", new Application.Order(-1, "de"));
        Message letter = listeners.dead.poll(30, TimeUnit.SECONDS);
        check(letter != null && listeners.attempts.get() == 3, "three attempts and a dead letter: " + listeners.attempts);
        check("rejected".equals(letter.getMessageProperties().getXDeathHeader().get(0).get("reason")), letter);
        long began = System.nanoTime();
        template.convertAndSend("spring-later", "order.de", new Application.Order(1_000_000, "de"), message -> {
            message.getMessageProperties().setDelayLong(600L);
            return message;
        });
        until(() -> listeners.seen.remove(1_000_000), "the delayed order comes");
        check(System.nanoTime() - began >= 600_000_000L, "a delay is kept");
        check(admin.getQueueInfo("spring-orders").getMessageCount() == 0, "nothing is left");
    }

    void restart(String command) throws Exception {
        for (int number = 0; number < ORDERS / 2; number++) {
            send(number);
        }
        Process restarting = new ProcessBuilder("bash", "-c", command).inheritIO().start();
        for (int number = ORDERS / 2; number < ORDERS; number++) {
            send(number);
        }
        check(restarting.waitFor() == 0, "the broker starts again");
        until(() -> listeners.seen.size() == ORDERS, "every order comes");
    }
}
