package submit_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/submit"
)

// A quota is how many messages an account may send, say on a day.
type quota chan struct{}

var errQuota = errors.New("no more messages today")

// Wait takes one of what is left.
func (q quota) Wait(ctx context.Context) error {
	select {
	case <-q:
		return ctx.Err()
	default:
		return errQuota
	}
}

// A limiter paces a pool. For so many messages a second there is rate.Limiter in
// golang.org/x/time; this one is for a provider that takes a number of them and no
// more. What it does not let pass is not sent, and its error is found in the result's.
func ExampleLimiter() {
	server, config := exampleServer()
	defer server.Close()
	config.Credentials = auth.Password("me@example.com", "secret")
	left := make(quota, 2)
	for range cap(left) {
		left <- struct{}{}
	}

	pool := &submit.Pool{
		Transport: &submit.ImplicitTLS{Host: "mail.example.com", Config: config},
		Limiter:   left,
	}
	defer pool.Close()
	subscribers := []string{"a@example.net", "b@example.net", "c@example.net"}
	for result := range pool.SubmitAll(context.Background(), newsletter(subscribers)) {
		if errors.Is(result.Err, errQuota) {
			fmt.Println("tomorrow:", subscribers[result.Index], errors.Is(result.Err, submit.ErrTemporary))
		}
	}
	fmt.Println(len(server.Messages()), "taken")
	// Output:
	// tomorrow: c@example.net true
	// 2 taken
}
