package main

import (
	"bytes"
	"crypto/tls"
	"iter"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/internal/bench/driver"
	"github.com/mailport/mailport/internal/bench/letter"
	"github.com/mailport/mailport/internal/bench/sink"
	"github.com/mailport/mailport/internal/testcert"
	"github.com/mailport/mailport/submit"
)

// The server of these benchmarks is in the same process: what it uses is counted,
// too. They are for comparing one version of mailport with the next; the tables
// are for comparing clients.

// pool returns one with a single session, which is open, to a server of its own.
func pool(b *testing.B, chunking bool) *submit.Pool {
	authority := testcert.New()
	place, err := sink.Open(b.Context(), authority.Leaf(driver.Host), sink.Setting{Pipelining: true, Chunking: chunking})
	require.NoError(b, err)
	p := &submit.Pool{MaxSessions: 1, MaxMessages: -1, MaxAge: -1, Transport: &submit.ImplicitTLS{
		Host: driver.Host, Port: place.Implicit(),
		Config: submit.Config{TLS: &tls.Config{RootCAs: authority.Pool()}, Credentials: auth.Password(sink.User, sink.Password)},
	}}
	b.Cleanup(func() {
		require.NoError(b, p.Close())
		require.NoError(b, place.Close())
		require.Empty(b, place.Tally().Wrong)
	})
	send(b, p, letter.New(size).Append(nil, 0))
	place.Tally()
	return p
}

func send(b *testing.B, p *submit.Pool, message []byte) {
	_, err := submit.Send(b.Context(), p, letter.From, []string{letter.To}, message)
	require.NoError(b, err)
}

func submitEach(b *testing.B, chunking bool) {
	p := pool(b, chunking)
	l := letter.New(size)
	message := l.Append(nil, 0)
	serial := 0
	b.ReportAllocs()
	b.SetBytes(int64(len(message)))
	for b.Loop() {
		l.Stamp(message, serial)
		serial++
		if _, err := submit.Send(b.Context(), p, letter.From, []string{letter.To}, message); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSubmitData(b *testing.B)     { submitEach(b, false) }
func BenchmarkSubmitChunking(b *testing.B) { submitEach(b, true) }

// An operation is one message, though all are handed over in one call.
func submitAll(b *testing.B, chunking bool) {
	p := pool(b, chunking)
	b.ReportAllocs()
	b.SetBytes(size)
	for result := range p.SubmitAll(b.Context(), looped(b)) {
		if result.Err != nil {
			b.Fatal(result.Err)
		}
	}
}

// looped makes a message for each turn of the benchmark.
func looped(b *testing.B) iter.Seq[submit.Message] {
	l := letter.New(size)
	message := l.Append(nil, 0)
	to := []string{letter.To}
	return func(yield func(submit.Message) bool) {
		var body bytes.Reader
		for serial := 0; b.Loop(); serial++ {
			l.Stamp(message, serial)
			body.Reset(message)
			if !yield(submit.Message{From: letter.From, To: to, Body: &body}) {
				return
			}
		}
	}
}

func BenchmarkSubmitAllData(b *testing.B)     { submitAll(b, false) }
func BenchmarkSubmitAllChunking(b *testing.B) { submitAll(b, true) }

func submitLarge(b *testing.B, chunking bool) {
	p := pool(b, chunking)
	l := letter.NewLarge(16 << 20)
	serial := 0
	b.ReportAllocs()
	b.SetBytes(int64(l.Size()))
	for b.Loop() {
		m := submit.Message{From: letter.From, To: []string{letter.To}, Body: l.Ready(serial)}
		serial++
		if _, err := p.Submit(b.Context(), m); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSubmitLargeData(b *testing.B)     { submitLarge(b, false) }
func BenchmarkSubmitLargeChunking(b *testing.B) { submitLarge(b, true) }
