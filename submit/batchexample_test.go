package submit_test

import (
	"context"
	"fmt"
	"iter"
	"log"
	"strings"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/submit"
)

// A batch, over as many sessions as the pool may have. What is sent is made while
// it is sent: a sequence of a million messages needs no more memory than one of
// a hundred.
func ExamplePool_SubmitAll() {
	example, config := exampleServer()
	defer example.Close()
	config.Credentials = auth.Password("me@example.com", "secret")
	server := &submit.ImplicitTLS{Host: "mail.example.com", Config: config}
	ctx := context.Background()
	subscribers := []string{"you@example.net", "no address", "they@example.org"}

	pool := &submit.Pool{Transport: server, MaxSessions: 4}
	defer pool.Close()
	for result := range pool.SubmitAll(ctx, newsletter(subscribers)) {
		if result.Err != nil {
			log.Printf("message %d: %v", result.Index, result.Err)
		}
	}
	if err := ctx.Err(); err != nil {
		log.Printf("not all were sent: %v", err) // the rest of the sequence was not read
	}

	fmt.Println(len(example.Messages()), "taken")
	fmt.Println(pool.Stats().Accepted, "by the pool's count")
	// Output:
	// 2 taken
	// 2 by the pool's count
}

// newsletter is a message for each subscriber.
func newsletter(subscribers []string) iter.Seq[submit.Message] {
	return func(yield func(submit.Message) bool) {
		for _, to := range subscribers {
			text := "From: me@example.com\nTo: " + to + "\nSubject: news\n\nThere are none.\n"
			if !yield(submit.Message{From: "me@example.com", To: []string{to}, Body: strings.NewReader(text)}) {
				return
			}
		}
	}
}
