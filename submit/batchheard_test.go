package submit_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/internal/fakenet"
	"github.com/mailport/mailport/submit"
)

// Promise 3: a verdict counts although what came behind the end of the message
// could not be written any more. Here the end fills one record of TLS, and the
// envelope of the next message begins in it and fills another, which nobody reads.
func TestVerdictIsHeardWhenTheNextEnvelopeIsLost(t *testing.T) {
	for verdict, want := range map[string]balance{
		"250 2.0.0 queued as 1": {receipts: 3},
		"554 5.7.1 spam":        {receipts: 2, failed: 1},
		"":                      {receipts: 2, uncertain: 1}, // hangs up
	} {
		t.Run(verdict, func(t *testing.T) {
			d := newDepot()
			d.say = func(v *guest, verb, args string) string {
				if v.n == 1 && verb == "." && args == "1" {
					return verdict + hangUp
				}
				return ""
			}
			withDepot(t, d, func(t *testing.T, w *world) {
				w.net.SetWindow(fakenet.Anywhere, 1<<10)
				p := w.poolOf(1)
				list := results(t, p.SubmitAll(t.Context(), func(yield func(submit.Message) bool) {
					_ = yield(posted(0)) && yield(fillingOneRecord(1)) && yield(withLongRecipients(2))
				}), 3)
				require.Equal(t, want, d.compare(t, list))
				require.NoError(t, p.Close())
			})
		})
	}
}

func fillingOneRecord(i int) submit.Message {
	m := posted(i)
	text := fmt.Sprintf("Subject: %d\r\n\r\nThis is message %d.\r\n", i, i)
	m.Body = strings.NewReader(text + strings.Repeat("0123456789abcd\r\n", (16384-len(text)-100)/16))
	return m
}

func withLongRecipients(i int) submit.Message {
	m := posted(i)
	m.To = nil
	for k := range 12 {
		m.To = append(m.To, fmt.Sprintf("r%d-%d@%sexample.net", i, k, strings.Repeat("a-long-label-of-it.", 10)))
	}
	m.Partial = true
	return m
}
