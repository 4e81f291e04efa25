package negotiate_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/internal/fakenet"
	"github.com/mailport/mailport/internal/testcert"
	"github.com/mailport/mailport/negotiate"
)

// A slowWorld is in a bubble: what it asks answers late or never, in virtual time.
type slowWorld struct {
	net *fakenet.Network
	negotiate.Discovery
}

// newSlowWorld has SRV records that point outside the domain, so that others are
// waited for. A name server listens and says nothing.
func newSlowWorld(t *testing.T) *slowWorld {
	w := &slowWorld{net: fakenet.New(10 * ms)}
	w.Without = []negotiate.Source{negotiate.SourceGuess}
	w.LookupSRV = func(ctx context.Context, _, _, _ string) ([]*net.SRV, bool, error) {
		return []*net.SRV{{Target: "smtp.example.net.", Port: 465}}, false, nil
	}
	w.Client = &http.Client{Transport: &http.Transport{DialContext: w.net.DialContext}}
	for _, host := range []string{"autoconfig.example.com", "example.com"} {
		w.net.Refuse(host + ":443")
	}
	t.Cleanup(func() {
		w.net.Check(t) // no connection is left open
		require.NoError(t, w.net.Close())
	})
	return w
}

// discover also makes sure that no connection is open when the call returns.
func (w *slowWorld) discover(t *testing.T, ctx context.Context) (found []negotiate.Found, took time.Duration, err error) {
	began := time.Now()
	found, err = negotiate.Discover(ctx, "me@example.com", w.Discovery)
	require.Zero(t, w.net.Open())
	return found, time.Since(began), err
}

// listen lets a server take connections and do with them what it likes, until
// the test ends.
func (w *slowWorld) listen(t *testing.T, address string, serve func(net.Conn)) {
	w.net.Restore(address)
	l := w.net.Listen(address)
	done := make(chan struct{})
	go func() { // the cleanup waits for it
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serve(conn)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
}

// until the client is gone.
func silence(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

// resolve uses Go's resolver outside of a bubble, since the first use of it makes
// a channel, which would belong to the bubble.
func resolve(t *testing.T) {
	r := &net.Resolver{PreferGo: true}
	r.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no network") }
	_, err := r.LookupHost(t.Context(), "example.com.")
	require.Error(t, err)
}

// soon is before any resolver gives up: the least that resolv.conf can say is a
// second.
const soon = 900 * ms

// Places where a call can get stuck.
var stuck = map[string]func(*testing.T, *slowWorld){
	"no packet comes back": func(_ *testing.T, w *slowWorld) { w.net.BlackHole("autoconfig.example.com:443") },
	"no handshake":         func(t *testing.T, w *slowWorld) { w.listen(t, "autoconfig.example.com:443", silence) },
	"no answer": func(t *testing.T, w *slowWorld) {
		w.serve(t, func(http.ResponseWriter, *http.Request) {})
	},
	"half an answer": func(t *testing.T, w *slowWorld) {
		w.serve(t, func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Length", "1000")
			rw.WriteHeader(http.StatusOK)
			rw.(http.Flusher).Flush()
		})
	},
	"TLS of the client's own": func(_ *testing.T, w *slowWorld) {
		w.Client.Transport.(*http.Transport).DialTLSContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
	},
	"the resolver": func(t *testing.T, w *slowWorld) {
		w.listen(t, "ns.example.com:53", silence)
		w.Without = nil
		w.LookupSRV = nil
		w.Resolver = &net.Resolver{PreferGo: true}
		w.Resolver.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return w.net.DialContext(ctx, "tcp", "ns.example.com:53")
		}
	},
	"LookupSRV": func(_ *testing.T, w *slowWorld) {
		w.LookupSRV = func(ctx context.Context, _, _, _ string) ([]*net.SRV, bool, error) {
			<-ctx.Done()
			return nil, false, errors.New("timeout")
		}
	},
}

// serve is a web server whose handler, once it has begun, never ends.
func (w *slowWorld) serve(t *testing.T, begin http.HandlerFunc) {
	const host = "autoconfig.example.com"
	w.net.Restore(host + ":443")
	ca := testcert.New()
	w.Client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: ca.Pool()}
	l := tls.NewListener(w.net.Listen(host+":443"), &tls.Config{Certificates: []tls.Certificate{ca.Leaf(host)}})
	server := &http.Server{ErrorLog: log.New(io.Discard, "", 0), Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		begin(rw, r)
		<-r.Context().Done()
	})}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }() // the cleanup waits for it
	t.Cleanup(func() { server.Close(); <-done })
}

// What was found in time is returned, and what has not answered is not waited for
// any longer. Promise 6: nothing is left when the call returns; the bubble would
// say so, and the network.
func TestDiscoverTimeout(t *testing.T) {
	resolve(t)
	for name, stick := range stuck {
		for given, limit := range map[time.Duration]time.Duration{0: 10 * time.Second, soon: soon} {
			if given == 0 && name == "the resolver" {
				continue // it gives up by itself, sooner or later
			}
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newSlowWorld(t)
					w.Timeout = given
					stick(t, w)
					found, took, err := w.discover(t, t.Context())
					require.Equal(t, limit, took)
					if w.Resolver == nil && name != "LookupSRV" {
						require.NoError(t, err)
						require.Equal(t, []string{"submissions://smtp.example.net:465 SRV, not trusted", "submission://smtp.example.net:465 SRV, not trusted"}, lines(found))
						return
					}
					require.ErrorIs(t, err, context.DeadlineExceeded)
					require.ErrorContains(t, err, "SRV: no answer within "+limit.String())
				})
			})
		}
	}
}

// Promise 7: the end of the context ends the call at once, and is its error.
func TestContextEndsDiscover(t *testing.T) {
	resolve(t)
	cause := errors.New("the user has closed the window")
	for name, stick := range stuck {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newSlowWorld(t)
				w.Timeout = -1
				stick(t, w)
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(soon, func() { cancel(cause) })
				found, took, err := w.discover(t, ctx)
				require.Equal(t, soon, took)
				require.Nil(t, found)
				require.ErrorIs(t, err, context.Canceled)
				require.ErrorIs(t, err, cause)
				require.EqualError(t, err, "no submission server found for example.com: the user has closed the window")

				ctx, stop := context.WithTimeout(t.Context(), soon)
				defer stop()
				_, took, err = w.discover(t, ctx)
				require.Equal(t, soon, took)
				require.ErrorIs(t, err, context.DeadlineExceeded)
			})
		})
	}
}

// A Transport may have the functions of old, which know of no context: what they
// dialled is closed when the call returns, and what they dial later at once.
func TestDiscoverEndsDialersWithoutContext(t *testing.T) {
	resolve(t)
	for _, name := range []string{"Dial", "DialTLS"} {
		for takes, want := range map[time.Duration]string{0: "at once", time.Minute: "late"} {
			t.Run(name+" "+want, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newSlowWorld(t)
					w.Timeout = soon
					w.listen(t, "autoconfig.example.com:443", silence)
					var dialled atomic.Int32
					dial := func(network, address string) (net.Conn, error) {
						time.Sleep(takes)
						conn, err := w.net.DialContext(context.Background(), network, address)
						if err == nil {
							dialled.Add(1)
							if name == "DialTLS" { // it is of the caller's own making
								return tls.Client(conn, &tls.Config{ServerName: "autoconfig.example.com"}), nil
							}
						}
						return conn, err
					}
					transport := &http.Transport{}
					if name == "DialTLS" {
						//lint:ignore SA1019 the one this is about
						transport.DialTLS = dial //nolint:staticcheck // see above
					} else {
						//lint:ignore SA1019 the one this is about
						transport.Dial = dial //nolint:staticcheck // see above
					}
					w.Client.Transport = transport
					_, took, err := w.discover(t, t.Context()) // and none is open
					require.NoError(t, err)
					require.Equal(t, soon, took)
					time.Sleep(2 * takes)
					synctest.Wait()
					require.Zero(t, w.net.Open())
					require.EqualValues(t, 1, dialled.Load())
				})
			})
		}
	}
}

// A trusted answer is not kept waiting by those of a lower rank.
func TestDiscoverDoesNotWait(t *testing.T) {
	resolve(t)
	for name, stick := range stuck {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newSlowWorld(t)
				stick(t, w)
				w.LookupSRV = func(context.Context, string, string, string) ([]*net.SRV, bool, error) {
					time.Sleep(50 * ms)
					return []*net.SRV{{Target: "smtp.example.com.", Port: 465}}, false, nil
				}
				found, took, err := w.discover(t, t.Context())
				require.NoError(t, err)
				require.True(t, found[0].Trusted)
				require.Equal(t, 50*ms, took)
			})
		})
	}
}

// All are asked at once: the slowest is waited for, not the sum.
func TestDiscoverAsksAtOnce(t *testing.T) {
	resolve(t)
	synctest.Test(t, func(t *testing.T) {
		w := newSlowWorld(t)
		w.LookupSRV = func(ctx context.Context, service, _, _ string) ([]*net.SRV, bool, error) {
			time.Sleep(time.Second)
			return nil, false, nil
		}
		w.Client.Transport.(*http.Transport).DialContext = func(context.Context, string, string) (net.Conn, error) {
			time.Sleep(time.Second)
			return nil, errors.New("too tired")
		}
		_, took, err := w.discover(t, t.Context())
		require.Error(t, err)
		require.Equal(t, time.Second, took)
	})
}

// Promise 6: what was asked in vain has ended when the call returns, also where it
// takes its time to notice.
func TestDiscoverWaitsForWhatItEnds(t *testing.T) {
	resolve(t)
	synctest.Test(t, func(t *testing.T) {
		w := newSlowWorld(t)
		w.LookupSRV = func(context.Context, string, string, string) ([]*net.SRV, bool, error) {
			return []*net.SRV{{Target: "smtp.example.com.", Port: 465}}, false, nil
		}
		var ended atomic.Int32
		w.Client.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			time.Sleep(20 * ms)
			ended.Add(1)
			return nil, r.Context().Err()
		})
		_, took, err := w.discover(t, t.Context())
		require.NoError(t, err)
		require.Equal(t, int32(2), ended.Load())
		require.Equal(t, 20*ms, took)
	})
}
