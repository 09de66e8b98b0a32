// The scenario with amqp091-go: topology, confirms in flight, prefetch, requeue, dead letter, delay, cancel, transactions,
// and what was confirmed before the broker is killed.
// Called as: go run . URL RESTART, where RESTART is a command that kills the broker and starts it again.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/exec"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const messages = 2000

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func next(deliveries <-chan amqp.Delivery) amqp.Delivery {
	select {
	case delivery, ok := <-deliveries:
		if !ok {
			log.Fatal("the deliveries ended")
		}
		return delivery
	case <-time.After(20 * time.Second):
		log.Fatal("nothing came")
		panic("unreachable")
	}
}

func main() {
	connection := must(amqp.Dial(os.Args[1]))
	channel := must(connection.Channel())
	check(channel.ExchangeDeclare("go", "headers", true, false, false, false, nil))
	check(channel.ExchangeDeclare("go-all", "fanout", true, false, false, false, nil))
	arguments := amqp.Table{"x-dead-letter-exchange": "go-all", "x-queue-type": "quorum", "x-delivery-limit": int32(1)}
	must(channel.QueueDeclare("go-work", true, false, false, false, arguments))
	must(channel.QueueDeclare("go-dead", true, false, false, false, nil))
	check(channel.QueueBind("go-work", "", "go", false, amqp.Table{"x-match": "all", "kind": "job"}))
	check(channel.QueueBind("go-dead", "", "go-all", false, nil))
	check(channel.Confirm(false))

	ctx := context.Background()
	var confirms []*amqp.DeferredConfirmation
	for number := range messages {
		message := amqp.Publishing{Headers: amqp.Table{"kind": "job"}, Body: []byte(fmt.Sprint(number))}
		confirms = append(confirms, must(channel.PublishWithDeferredConfirmWithContext(ctx, "go", "", true, false, message)))
	}
	for _, confirm := range confirms {
		if !confirm.Wait() {
			log.Fatal("a message was not taken")
		}
	}
	check(channel.Qos(100, 0, false))
	deliveries := must(channel.Consume("go-work", "worker", false, false, false, false, nil))
	for number := range messages {
		delivery := next(deliveries)
		if string(delivery.Body) != fmt.Sprint(number) {
			log.Fatalf("%s came where %d was expected", delivery.Body, number)
		}
		if number%50 == 49 {
			check(delivery.Ack(true))
		}
	}
	check(channel.Cancel("worker", false))

	// A quorum queue gives up a message that comes back too often.
	poison := amqp.Publishing{Headers: amqp.Table{"kind": "job"}, Body: []byte("poison")}
	must(channel.PublishWithDeferredConfirmWithContext(ctx, "go", "", true, false, poison)).Wait()
	deliveries = must(channel.Consume("go-work", "again", false, false, false, false, nil))
	for range 2 {
		check(next(deliveries).Nack(false, true))
	}
	dead := must(channel.Consume("go-dead", "", true, false, false, false, nil))
	if reason := next(dead).Headers["x-first-death-reason"]; reason != "delivery_limit" {
		log.Fatalf("the reason is %v", reason)
	}

	// A transaction.
	tx := must(connection.Channel())
	check(tx.Tx())
	check(tx.PublishWithContext(ctx, "", "go-dead", false, false, amqp.Publishing{Body: []byte("rolled back")}))
	check(tx.TxRollback())
	check(tx.PublishWithContext(ctx, "", "go-dead", false, false, amqp.Publishing{Body: []byte("committed")}))
	check(tx.TxCommit())
	if body := string(next(dead).Body); body != "committed" {
		log.Fatalf("%s came", body)
	}
	must(channel.QueueDelete("go-work", false, false, false))
	delayed(ctx, channel)
	restart(ctx, channel, connection.NotifyClose(make(chan *amqp.Error, 1)))
	fmt.Println("amqp091-go: all well")
}

func delayed(ctx context.Context, channel *amqp.Channel) {
	check(channel.ExchangeDeclare("go-later", "x-delayed-message", true, false, false, false, amqp.Table{"x-delayed-type": "direct"}))
	must(channel.QueueDeclare("go-late", true, false, false, false, nil))
	check(channel.QueueBind("go-late", "k", "go-later", false, nil))
	began := time.Now()
	late := amqp.Publishing{Headers: amqp.Table{"x-delay": int32(500)}, Body: []byte("late")}
	must(channel.PublishWithDeferredConfirmWithContext(ctx, "go-later", "k", true, false, late)).Wait()
	delivery := next(must(channel.Consume("go-late", "late", true, false, false, false, nil)))
	if took := time.Since(began); string(delivery.Body) != "late" || took < 500*time.Millisecond {
		log.Fatalf("%s came after %v", delivery.Body, took)
	}
	check(channel.Cancel("late", false))
}

func restart(ctx context.Context, channel *amqp.Channel, closed <-chan *amqp.Error) {
	var confirms []*amqp.DeferredConfirmation
	for number := range messages {
		message := amqp.Publishing{DeliveryMode: amqp.Persistent, Body: []byte(fmt.Sprint(number))}
		confirms = append(confirms, must(channel.PublishWithDeferredConfirmWithContext(ctx, "", "go-late", true, false, message)))
	}
	for _, confirm := range confirms {
		if !confirm.Wait() {
			log.Fatal("a message was not taken")
		}
	}
	check(exec.Command("bash", "-c", os.Args[2]).Run())
	select {
	case <-closed:
	case <-time.After(20 * time.Second):
		log.Fatal("the client did not see that its connection broke")
	}
	connection := must(amqp.Dial(os.Args[1]))
	channel = must(connection.Channel())
	check(channel.Qos(100, 0, false))
	deliveries := must(channel.Consume("go-late", "", false, false, false, false, nil))
	for number := range messages {
		delivery := next(deliveries)
		if string(delivery.Body) != fmt.Sprint(number) {
			log.Fatalf("%s came where %d was expected", delivery.Body, number)
		}
		check(delivery.Ack(false))
	}
	check(connection.Close())
}
