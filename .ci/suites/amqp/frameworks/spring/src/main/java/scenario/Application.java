// A Spring Boot application with Spring AMQP: topology declared from beans, listeners with JSON, retry and dead letters,
// correlated confirms and returns, requests with answers, a delayed exchange, and a kill of the broker, after which its
// listeners go on by themselves.
// Called with: URL RESTART, where RESTART is a command that kills the broker and starts it again.
package scenario;

import java.util.Map;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicInteger;
import org.springframework.amqp.core.AmqpAdmin;
import org.springframework.amqp.core.Binding;
import org.springframework.amqp.core.BindingBuilder;
import org.springframework.amqp.core.CustomExchange;
import org.springframework.amqp.core.Declarables;
import org.springframework.amqp.core.Message;
import org.springframework.amqp.core.Queue;
import org.springframework.amqp.core.QueueBuilder;
import org.springframework.amqp.core.TopicExchange;
import org.springframework.amqp.rabbit.annotation.RabbitListener;
import org.springframework.amqp.support.converter.Jackson2JsonMessageConverter;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.stereotype.Component;

@SpringBootApplication
public class Application {
    public record Order(int number, String country) {}

    @Bean
    Jackson2JsonMessageConverter json() {
        return new Jackson2JsonMessageConverter();
    }

    @Bean
    Declarables topology() {
        TopicExchange exchange = new TopicExchange("spring", true, false);
        CustomExchange later = new CustomExchange("spring-later", "x-delayed-message", true, false, Map.of("x-delayed-type", "topic"));
        Queue orders = QueueBuilder.durable("spring-orders").quorum().deadLetterExchange("").deadLetterRoutingKey("spring-dead").build();
        Binding late = BindingBuilder.bind(orders).to(later).with("order.#").noargs();
        return new Declarables(exchange, later, orders, QueueBuilder.durable("spring-dead").build(),
            QueueBuilder.durable("spring-double").build(), late, BindingBuilder.bind(orders).to(exchange).with("order.#"));
    }

    @Component
    public static class Listeners {
        final Set<Integer> seen = ConcurrentHashMap.newKeySet();
        final AtomicInteger attempts = new AtomicInteger();
        final BlockingQueue<Message> dead = new LinkedBlockingQueue<>();

        @RabbitListener(queues = "spring-orders", concurrency = "2")
        void order(Order order) {
            if (order.number() < 0) {
                attempts.incrementAndGet();
                throw new IllegalArgumentException("there is no such order");
            }
            seen.add(order.number());
        }

        @RabbitListener(queues = "spring-dead")
        void dead(Message message) {
            dead.add(message);
        }

        @RabbitListener(queues = "spring-double")
        int twice(int number) {
            return number * 2;
        }
    }

    public static void main(String[] arguments) throws Exception {
        SpringApplication application = new SpringApplication(Application.class);
        application.setDefaultProperties(Map.ofEntries(
            Map.entry("spring.rabbitmq.addresses", arguments[0]),
            Map.entry("spring.rabbitmq.publisher-confirm-type", "correlated"),
            Map.entry("spring.rabbitmq.publisher-returns", "true"),
            Map.entry("spring.rabbitmq.template.mandatory", "true"),
            Map.entry("spring.rabbitmq.listener.simple.retry.enabled", "true"),
            Map.entry("spring.rabbitmq.listener.simple.retry.max-attempts", "3"),
            Map.entry("spring.rabbitmq.listener.simple.retry.initial-interval", "100ms"),
            Map.entry("spring.rabbitmq.listener.simple.prefetch", "20"),
            Map.entry("spring.main.banner-mode", "off"),
            // It says at length that the broker is gone, which it is.
            Map.entry("logging.level.root", "off")));
        try (ConfigurableApplicationContext context = application.run()) {
            Scenario scenario = new Scenario(context);
            scenario.ordinary(context.getBean(AmqpAdmin.class));
            scenario.restart(arguments[1]);
        }
        System.out.println("spring: all well");
    }
}
