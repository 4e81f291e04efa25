package negotiate_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/mailport/mailport/negotiate"
	"github.com/mailport/mailport/submit"
	"github.com/mailport/mailport/submit/submittest"
)

// A cron job that runs every hour, where port 465 is blocked. The first run finds
// out, and the others know: for a day, and not only for the ten minutes of the zero
// Policy, which would be over each time.
func ExampleFileMemory() {
	example := exampleServer()                                                                                          // a server of the example's own
	defer example.Close()                                                                                               // a server of the example's own
	example.SetFaults(submittest.Fault{Service: submit.Submissions, Phase: submit.PhaseConnect, Do: submittest.Refuse}) // a server of the example's own
	ctx := context.Background()
	config := example.Config()
	cache, err := os.MkdirTemp("", "") // in a program: os.UserCacheDir()
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(cache)

	for range 2 { // each time as in a process of its own
		server := &negotiate.Negotiator{
			Host:   "smtp.example.com",
			Config: config,
			Policy: negotiate.Policy{Remember: 24 * time.Hour},
			Memory: &negotiate.FileMemory{
				Path:    filepath.Join(cache, "my-job", "submission.json"),
				OnError: func(err error) { log.Print(err) },
			},
			Observe: func(_ context.Context, r *negotiate.Report) { fmt.Println(r.Diagnosis()) },
		}
		session, err := server.Dial(ctx)
		if err != nil {
			log.Fatal(err)
		}
		session.Close()
	}
	// Output:
	// used submission://smtp.example.com:587; submissions://smtp.example.com:465: connect: connection refused
	// used submission://smtp.example.com:587, as before
}
