package negotiate_test

import (
	"context"
	"fmt"
	"log"
	"net"

	"github.com/mailport/mailport/negotiate"
	"github.com/mailport/mailport/submit"
)

// When an account is set up: find the servers, ask the user about those that
// nobody vouches for, and store what they agreed to.
func ExampleDiscover() {
	ctx := context.Background()
	discovery := negotiate.Discovery{
		// DNS alone is asked, and this is what it says. Leave both out to ask the
		// real one, and the domain's web servers.
		Without: []negotiate.Source{negotiate.SourceAutoconfig, negotiate.SourceWellKnown, negotiate.SourceGuess},
		LookupSRV: func(_ context.Context, service, _, _ string) ([]*net.SRV, bool, error) {
			if service == submit.Submissions {
				return []*net.SRV{{Target: "smtp.example.com.", Port: 465}, {Target: "backup.example.net.", Port: 465, Priority: 10}}, false, nil
			}
			return []*net.SRV{{Target: "smtp.example.com.", Port: 587}}, false, nil
		},
	}

	found, err := negotiate.Discover(ctx, "me@example.com", discovery)
	if err != nil {
		log.Fatal(err)
	}
	var agreed []negotiate.Found
	for _, f := range found {
		fmt.Println(f.Endpoint, "says", f.Source)
		if f.Trusted {
			agreed = append(agreed, f)
		} else {
			fmt.Println("but", f.Reason)
		}
	}
	server := &negotiate.Negotiator{Transports: negotiate.Transports(submit.Config{}, agreed...)}
	fmt.Println("first of all,", server.Endpoint())
	// Output:
	// submissions://smtp.example.com:465 says SRV
	// submission://smtp.example.com:587 says SRV
	// submissions://backup.example.net:465 says SRV
	// but backup.example.net is not in example.com, and nothing proves that example.com is who said so: the answer from DNS is not signed (RFC 6186, section 6)
	// first of all, submissions://smtp.example.com:465
}
