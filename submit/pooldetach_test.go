package submit_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/submit"
)

// A sequence may use for each message what it used for the one before: the same
// slice of recipients, the same options, the same body.
func TestSequenceReusesEverything(t *testing.T) {
	for transfer, offers := range transfers {
		for _, sessions := range []int{1, 3} {
			t.Run(fmt.Sprint(transfer, "/", sessions), func(t *testing.T) {
				d := newDepot(append([]string{"DSN", "MT-PRIORITY MIXER", "DELIVERBY"}, offers...)...)
				said := map[string]string{}
				d.say = func(_ *guest, verb, args string) string {
					if verb == "MAIL" || verb == "RCPT" {
						said[path(args)] = args
					}
					if verb == "RCPT" && strings.Contains(args, "-1@") {
						return "550 5.1.1 unknown"
					}
					return ""
				}
				withDepot(t, d, func(t *testing.T, w *world) {
					p := w.poolOf(sessions)
					var (
						to       = make([]string, 2)
						one      = smtp.RcptOptions{Notify: make([]smtp.DSNNotify, 1), DeliverBy: new(smtp.DeliverByOptions), MTPriority: new(int)}
						options  = map[string]*smtp.RcptOptions{}
						identity string
						mail     = smtp.MailOptions{Auth: &identity}
						body     = new(strings.Reader)
					)
					notify := []smtp.DSNNotify{smtp.DSNNotifySuccess, smtp.DSNNotifyFailure, smtp.DSNNotifyDelayed}
					list := results(t, p.SubmitAll(t.Context(), func(yield func(submit.Message) bool) {
						for i := range 60 {
							to[0], to[1] = fmt.Sprintf("r%d@example.net", i), fmt.Sprintf("r%d-1@example.net", i)
							clear(options)
							one.Notify[0] = notify[i%3]
							*one.MTPriority = i%19 - 9
							*one.DeliverBy = smtp.DeliverByOptions{Time: time.Duration(i+1) * time.Second, Mode: smtp.DeliverByNotify}
							options[to[0]] = &one
							identity = fmt.Sprintf("a%d@example.com", i)
							body.Reset(fmt.Sprintf("Subject: %d\r\n\r\nThis is message %d.\r\n", i, i))
							if !yield(submit.Message{From: fmt.Sprintf("s%d@example.com", i), To: to, Body: body,
								Partial: true, RcptOptions: options, Options: &mail}) {
								return
							}
						}
					}), 60)
					require.Equal(t, balance{receipts: 60}, d.compare(t, list))
					for i, r := range list {
						require.Len(t, r.Receipt.Refused, 1)
						require.Equal(t, fmt.Sprintf("r%d-1@example.net", i), r.Receipt.Refused[0].Recipient)
						require.Contains(t, said[fmt.Sprintf("r%d@example.net", i)], "NOTIFY="+string(notify[i%3]))
						require.NotContains(t, said[fmt.Sprintf("r%d-1@example.net", i)], "NOTIFY")
						mail := said[fmt.Sprintf("s%d@example.com", i)]
						require.Contains(t, mail, fmt.Sprintf(" BY=%d;N", i+1))
						require.Contains(t, mail, fmt.Sprintf(" MT-PRIORITY=%d", i%19-9))
						require.Contains(t, mail, fmt.Sprintf(" AUTH=a%d@example.com", i))
					}
					require.NoError(t, p.Close())
				})
			})
		}
	}
}

// When a call has returned, what it was given is the caller's again, and its trace
// is silent, although the message is still on its way (the race detector looks
// on).
func TestCallThatLeftLeavesNothingBehind(t *testing.T) {
	for transfer, offers := range transfers {
		t.Run(transfer, func(t *testing.T) {
			d := newDepot(append([]string{"DSN"}, offers...)...)
			withDepot(t, d, func(t *testing.T, w *world) {
				w.teach(d)
				slowVerdicts(d)
				p := w.poolOf(1)
				var (
					all    sync.WaitGroup
					list   = make([]submit.Result, 6)
					traced atomic.Int64
				)
				for i := range list {
					all.Go(func() {
						ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second+time.Duration(i))
						defer cancel()
						returned := false
						ctx = submit.WithTrace(ctx, func(context.Context, submit.Event) {
							if returned {
								t.Error("traced after the call")
							}
							traced.Add(1)
						})
						if i == 5 {
							ctx = t.Context()
						}
						m := posted(i)
						m.RcptOptions = map[string]*smtp.RcptOptions{m.To[0]: {Notify: []smtp.DSNNotify{smtp.DSNNotifyFailure}}}
						r, err := p.Submit(ctx, m)
						returned = true
						m.RcptOptions[m.To[0]].Notify[0] = "NOBODY"
						clear(m.RcptOptions)
						m.To[0] = "nobody@example.net"
						list[i] = submit.Result{Index: i, Receipt: r, Err: err}
					})
					synctest.Wait()
				}
				all.Wait()
				require.NotZero(t, traced.Load())
				sum := d.compare(t, list)
				require.Equal(t, 2, sum.receipts, "the first, and the one that stayed")
				require.NoError(t, p.Close())
			})
		})
	}
	withDepot(t, newDepot("CHUNKING"), func(t *testing.T, w *world) {
		p := w.poolOf(1)
		ctx, cancel := context.WithTimeout(t.Context(), 6*rtt+rtt/2)
		defer cancel()
		returned := false
		for range p.SubmitAll(submit.WithTrace(ctx, func(context.Context, submit.Event) {
			if returned {
				t.Error("traced after the loop")
			}
		}), posting(1000, nil)) {
		}
		returned = true
		time.Sleep(time.Minute)
		require.NoError(t, p.Close())
	})
}
