package negotiate_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mailport/mailport/internal/script"
	"github.com/mailport/mailport/negotiate"
)

// Each transcript is one thing that can happen between two ports, and shows
// which of them is used and why. Package script says how to read them, and that
// no more than one port sees a password (promise 2). The client has a policy as
// well:
//
//	prefer STARTTLS
//	fail closed
//	head start 1s
//	port 2525
func TestTranscripts(t *testing.T) {
	script.Player{
		Play:     playNegotiation,
		Settings: []string{"prefer", "fail closed", "head start", "port"},
	}.Run(t, "testdata/transcripts")
}

func playNegotiation(ctx context.Context, c *script.Client) string {
	var reports []*negotiate.Report
	n := &negotiate.Negotiator{
		Host: c.Endpoint.Host, Policy: policyOf(c), Config: c.Config,
		Observe: func(_ context.Context, r *negotiate.Report) { reports = append(reports, r) },
	}
	if port, ok := c.Setting("port"); ok {
		n.Port, _ = strconv.Atoi(port)
	}
	result := c.Result(n.Submit(ctx, c.Messages[0]))
	if len(reports) != 1 {
		return fmt.Sprintf("%d reports\n", len(reports))
	}
	return result + story(reports[0])
}

func policyOf(c *script.Client) (p negotiate.Policy) {
	if mode, ok := c.Setting("prefer"); ok && mode == negotiate.STARTTLS.String() {
		p.Prefer = negotiate.STARTTLS
	}
	_, p.FailClosed = c.Setting("fail closed")
	if d, ok := c.Setting("head start"); ok {
		p.HeadStart, _ = time.ParseDuration(d)
	}
	return p
}

// story tells when each attempt began, and what became of it.
func story(r *negotiate.Report) string {
	var b strings.Builder
	for _, a := range r.Attempts {
		if a.Outcome == negotiate.NotTried {
			fmt.Fprintf(&b, "        - %v %v\n", a.Endpoint, a.Outcome)
			continue
		}
		fmt.Fprintf(&b, "%9v %v %v after %v", a.Began, a.Endpoint, a.Outcome, a.Took)
		if a.Err != nil {
			fmt.Fprintf(&b, ": %s", strings.TrimPrefix(a.Err.Error(), a.Endpoint.String()+": "))
		}
		b.WriteByte('\n')
	}
	return b.String()
}
