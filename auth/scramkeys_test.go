package auth_test

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/auth"
)

// asking returns a server-first-message for an exchange with rfcNonce.
func asking(salt string, iterations int) string {
	return "r=" + rfcNonce + "x,s=" + base64.StdEncoding.EncodeToString([]byte(salt)) + ",i=" + strconv.Itoa(iterations)
}

// derive has a mechanism derive keys, and returns the proof.
func derive(ctx context.Context, c auth.Credentials, mechanism, serverFirst string) (string, error) {
	m, err := c.Exchange(ctx, offering(mechanism))
	if err != nil {
		return "", err
	}
	if _, _, err := m.Start(); err != nil {
		return "", err
	}
	final, err := m.Next([]byte(serverFirst))
	return string(final), err
}

// An inquiry counts how often it is asked whether it has ended, which a derivation
// does every few thousand rounds: its cost, by no clock.
type inquiry struct {
	context.Context
	asked atomic.Int64
}

func (i *inquiry) Err() error {
	i.asked.Add(1)
	return i.Context.Err()
}

// patience is a context that ends when it was asked so many times.
type patience struct {
	context.Context
	left int
}

func (p *patience) Err() error {
	if p.left--; p.left < 0 {
		return context.DeadlineExceeded
	}
	return nil
}

// RFC 7677, section 4: keys are kept, so that the price is paid once.
func TestSCRAMKeysAreKept(t *testing.T) {
	c := auth.WithNonce(auth.Password("user", "pencil"), rfcNonce)
	proofs := make(map[string]bool)
	for _, test := range []struct {
		mechanism, serverFirst string
		derives                bool
	}{
		{"SCRAM-SHA-256", asking("salt", 100_000), true},
		{"SCRAM-SHA-256", asking("salt", 100_000), false},
		{"SCRAM-SHA-256", asking("salt", 100_000), false},
		{"SCRAM-SHA-256", asking("tlas", 100_000), true}, // not those of another salt
		{"SCRAM-SHA-256", asking("salt", 100_001), true}, // nor of another count
		{"SCRAM-SHA-1", asking("salt", 100_000), true},   // nor of another hash
		{"SCRAM-SHA-256", asking("salt", 100_000), false},
		{"SCRAM-SHA-256", asking("tlas", 100_000), false},
		{"SCRAM-SHA-1", asking("salt", 100_000), false},
	} {
		ctx := &inquiry{Context: t.Context()}
		proof, err := derive(ctx, c, test.mechanism, test.serverFirst)
		require.NoError(t, err)
		require.Equal(t, test.derives, ctx.asked.Load() > 20, "%s %s: %d", test.mechanism, test.serverFirst, ctx.asked.Load())
		require.Equal(t, test.derives, !proofs[proof], "a proof of its own, or the same again")
		proofs[proof] = true
	}
}

// Keys are those of the password: whether they were bound to a connection is no matter.
func TestSCRAMKeysAreKeptBoundOrNot(t *testing.T) {
	client, _ := newSite(tls.VersionTLS13).connect(t)
	c := auth.WithNonce(auth.Password("user", "pencil"), rfcNonce)
	for _, mechanism := range []string{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"} {
		m, err := c.Exchange(t.Context(), auth.Server{Mechanisms: []string{mechanism}, TLS: client})
		require.NoError(t, err)
		_, _, err = m.Start()
		require.NoError(t, err)
		_, err = m.Next([]byte(asking("salt", 4096)))
		require.NoError(t, err)
		require.Equal(t, 1, auth.Kept(c), mechanism)
	}
}

// Counts that can be given up are computed in another way, to the same end.
func TestSCRAMKeysOfLongCounts(t *testing.T) {
	for mechanism, want := range map[string]string{ // computed with Python's hashlib and hmac
		"SCRAM-SHA-1":   "RsXQDlHONSdGYKY3KYbtqahMhnk=",
		"SCRAM-SHA-256": "EJidvbnaUzaUWZJ0m1yzGyzUrExP9ogRMxE4VQztebQ=",
		"SCRAM-SHA-512": "QQ6rOF/313N/DirA+5iiWomCz7ZmdnxJdf0hgfgq1gD5tTlaUwVllA5IrKIQSFyuDXW0ng35vkU1o8UmXCSRSg==",
	} {
		c := auth.WithNonce(auth.Password("user", "pencil"), rfcNonce)
		proof, err := derive(t.Context(), c, mechanism, asking("salt", 100_000))
		require.NoError(t, err)
		require.Equal(t, "c=biws,r="+rfcNonce+"x,p="+want, proof, mechanism)
	}
}

// Ten million iterations can be asked for, and given up: by who derives, and by who
// waits for them. Neither spoils it for the others.
func TestSCRAMKeyDerivationEnds(t *testing.T) {
	c := auth.WithNonce(auth.Password("user", "pencil"), rfcNonce)
	deriving, enough := context.WithCancelCause(t.Context())
	waiting, tired := context.WithCancelCause(t.Context())
	var (
		sessions    sync.WaitGroup
		first, then error
	)
	sessions.Go(func() { _, first = derive(deriving, c, "SCRAM-SHA-256", asking("salt", 10_000_000)) })
	for !auth.Deriving(c) {
		runtime.Gosched()
	}
	gaveUp := make(chan struct{})
	sessions.Go(func() {
		defer close(gaveUp)
		_, then = derive(waiting, c, "SCRAM-SHA-512", asking("salt", 4096))
	})
	causes := []error{errors.New("enough"), errors.New("tired")}

	began := time.Now()
	tired(causes[1])
	<-gaveUp
	require.ErrorIs(t, then, causes[1])
	require.True(t, auth.Deriving(c), "the first goes on")
	enough(causes[0])
	sessions.Wait()
	require.ErrorIs(t, first, causes[0])
	require.Less(t, time.Since(began), time.Second)

	require.False(t, auth.Deriving(c))
	_, err := derive(t.Context(), c, "SCRAM-SHA-256", asking("salt", 4096))
	require.NoError(t, err)
}

// RFC 5802, section 9: a server that asks for very much keeps busy who asked it, and
// nobody whose keys are there.
func TestSCRAMKeptKeysWaitForNobody(t *testing.T) {
	c := auth.WithNonce(auth.Password("user", "pencil"), rfcNonce)
	want, err := derive(t.Context(), c, "SCRAM-SHA-256", asking("salt", 4096))
	require.NoError(t, err)
	hostile, enough := context.WithCancel(t.Context())
	defer enough()
	var (
		session sync.WaitGroup
		ended   error
	)
	session.Go(func() { _, ended = derive(hostile, c, "SCRAM-SHA-512", asking("salt", 10_000_000)) })
	for !auth.Deriving(c) {
		runtime.Gosched()
	}
	for range 3 {
		proof, err := derive(t.Context(), c, "SCRAM-SHA-256", asking("salt", 4096))
		require.NoError(t, err)
		require.Equal(t, want, proof)
	}
	enough()
	session.Wait()
	require.ErrorIs(t, ended, context.Canceled, "it was not waited for")
}

// Who waits for the turn stops when somebody else has derived the same keys, and does not
// wait for what came in between.
func TestSCRAMKeysThatComeMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := auth.WithNonce(auth.Password("user", "pencil"), rfcNonce)
		giveBack := auth.TakeTurn(c)
		hostile, enough := context.WithCancel(t.Context())
		defer enough()
		var (
			sessions sync.WaitGroup
			errs     [3]error
		)
		sessions.Go(func() { _, errs[0] = derive(t.Context(), c, "SCRAM-SHA-256", asking("salt", 4096)) })
		synctest.Wait()
		sessions.Go(func() { _, errs[1] = derive(hostile, c, "SCRAM-SHA-512", asking("salt", 10_000_000)) })
		synctest.Wait()
		sessions.Go(func() {
			defer enough()
			_, errs[2] = derive(t.Context(), c, "SCRAM-SHA-256", asking("salt", 4096))
		})
		synctest.Wait()
		giveBack()
		sessions.Wait()
		require.NoError(t, errs[0])
		require.ErrorIs(t, errs[1], context.Canceled, "it was not waited for")
		require.NoError(t, errs[2])
	})
}

// What was given up was not derived, and can be ended again.
func TestSCRAMKeysGivenUpAreNotKept(t *testing.T) {
	c := auth.WithNonce(auth.Password("user", "pencil"), rfcNonce)
	_, err := derive(&patience{Context: t.Context(), left: 5}, c, "SCRAM-SHA-256", asking("salt", 100_000))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Zero(t, auth.Kept(c))
	again := &inquiry{Context: t.Context()}
	_, err = derive(again, c, "SCRAM-SHA-256", asking("salt", 100_000))
	require.NoError(t, err)
	require.Greater(t, again.asked.Load(), int64(20))
}

// Who waits for keys gets them, though another who did gave up.
func TestSCRAMKeysThatAnotherGaveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := auth.WithNonce(auth.Password("user", "pencil"), rfcNonce)
		giveBack := auth.TakeTurn(c)
		ctx, cancel := context.WithCancel(t.Context())
		var (
			sessions sync.WaitGroup
			errs     [3]error
		)
		for n := range errs {
			sessions.Go(func() {
				patience := t.Context()
				if n == 1 {
					patience = ctx
				}
				_, errs[n] = derive(patience, c, "SCRAM-SHA-256", asking("salt", 4096))
			})
		}
		synctest.Wait()
		cancel()
		synctest.Wait()
		giveBack()
		sessions.Wait()
		require.NoError(t, errs[0])
		require.ErrorIs(t, errs[1], context.Canceled)
		require.NoError(t, errs[2])
		require.Equal(t, 1, auth.Kept(c))
	})
}

// Credentials outlive a bubble of testing/synctest, and serve the next: keys that were
// derived in the one, and those that were given up in it.
func TestSCRAMKeysAcrossBubbles(t *testing.T) {
	c := auth.WithNonce(auth.Password("user", "pencil"), rfcNonce)
	for range 2 {
		synctest.Test(t, func(t *testing.T) {
			_, err := derive(t.Context(), c, "SCRAM-SHA-256", asking("salt", 4096))
			require.NoError(t, err)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			_, err = derive(ctx, c, "SCRAM-SHA-256", asking("tlas", 4096))
			require.ErrorIs(t, err, context.Canceled)
		})
	}
}

// Keys that are used often are not too many: they stay.
func TestSCRAMKeysStay(t *testing.T) {
	c := auth.WithNonce(auth.Password("user", "pencil"), rfcNonce)
	for n := range 250 {
		ctx := &inquiry{Context: t.Context()}
		_, err := derive(ctx, c, "SCRAM-SHA-256", asking("salt", 100_000))
		require.NoError(t, err)
		require.Equal(t, n == 0, ctx.asked.Load() > 20, n)
	}
}

// A deadline ends it as well, without anybody's doing.
func TestSCRAMKeyDerivationTimesOut(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err := derive(ctx, auth.WithNonce(auth.Password("user", "pencil"), rfcNonce), "SCRAM-SHA-1", asking("salt", 10_000_000))
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// A server that comes with another salt each time fills no memory.
func TestSCRAMKeysAreBounded(t *testing.T) {
	c := auth.WithNonce(auth.Password("user", "pencil"), rfcNonce)
	most := 0
	for n := range 110 {
		_, err := derive(t.Context(), c, hashes[1+n%2].name, asking(fmt.Sprint("salt", n), 4096))
		require.NoError(t, err)
		most = max(most, auth.Kept(c))
	}
	require.LessOrEqual(t, most, 100)
	require.Greater(t, most, 50, "some are kept")
}

// Sessions that begin together derive once, and all get theirs; but for those that
// gave up.
func TestSCRAMKeysAreShared(t *testing.T) {
	counts := map[string]int{"SCRAM-SHA-512": 4096, "SCRAM-SHA-256": 4096, "SCRAM-SHA-1": 100_000}
	want := make(map[string]string)
	for mechanism, count := range counts {
		alone := auth.WithNonce(auth.Password("user", "pencil"), rfcNonce)
		proof, err := derive(t.Context(), alone, mechanism, asking("salt", count))
		require.NoError(t, err)
		want[mechanism] = proof
	}
	c := auth.WithNonce(auth.Password("user", "pencil"), rfcNonce)
	var sessions sync.WaitGroup
	for n := range 120 { // more than are kept
		sessions.Go(func() {
			mechanism := hashes[n%3].name
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if n%10 == 9 {
				cancel()
			}
			proof, err := derive(ctx, c, mechanism, asking("salt", counts[mechanism]))
			if n%10 == 9 {
				assert.ErrorIs(t, err, context.Canceled)
				return
			}
			assert.NoError(t, err)
			assert.Equal(t, want[mechanism], proof)
		})
	}
	sessions.Wait()
}

func BenchmarkSCRAMKeys(b *testing.B) {
	for _, h := range hashes {
		for _, iterations := range []int{4096, 99_999, 100_000, 1_000_000, 10_000_000} {
			b.Run(fmt.Sprint(h.name, "/", iterations), func(b *testing.B) {
				for b.Loop() {
					c := auth.WithNonce(auth.Password("user", "pencil"), rfcNonce)
					_, err := derive(b.Context(), c, h.name, asking("salt", iterations))
					require.NoError(b, err)
				}
			})
		}
	}
}
