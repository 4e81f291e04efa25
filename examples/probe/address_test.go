package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/negotiate"
	"github.com/mailport/mailport/submit/submittest"
)

// probeAddress probes me@example.com, whose SRV records are the given ones; s is
// reached under any name.
func probeAddress(t *testing.T, s *submittest.Server, records map[string][]*net.SRV, args ...string) result {
	t.Helper()
	o, err := parse(append(append([]string{"-ca", caFile(t, s.CAPEM())}, args...), "me@example.com"), environment)
	require.NoError(t, err)
	o.DialContext = s.Config().DialContext
	o.discovery.LookupSRV = func(_ context.Context, service, _, _ string) ([]*net.SRV, bool, error) {
		return records[service], false, nil
	}
	o.discovery.Without = []negotiate.Source{negotiate.SourceAutoconfig, negotiate.SourceWellKnown, negotiate.SourceGuess}
	var stdout, stderr bytes.Buffer
	exit := o.run(t.Context(), &stdout, &stderr)
	return result{exit, stdout.String(), stderr.String()}
}

func TestAddress(t *testing.T) {
	s := start(t)
	inside := map[string][]*net.SRV{
		"submissions": {{Target: "smtp.example.com.", Port: 465}},
		"submission":  {{Target: "smtp.example.com.", Port: 587, Priority: 1}},
	}
	r := probeAddress(t, s, inside)
	require.Equal(t, exitOK, r.exit, r.stderr)
	require.Empty(t, r.stderr)
	requireASCII(t, r.stdout)
	require.Regexp(t, `^found for me@example.com:\n\n  submissions://smtp.example.com:465  trusted\n    by SRV, _submissions._tcp.example.com; user me@example.com\n`, r.stdout)
	require.Contains(t, r.stdout, "\nwould use submission")
	require.Equal(t, 2, s.Connections(""))

	o := probeAddress(t, s, inside, "-json").object(t)
	require.Len(t, o.Found, 2)
	require.NotNil(t, o.Missed)
	require.Empty(t, o.Missed)
	require.Equal(t, "submissions://smtp.example.com:465", o.Found[0].Endpoint)
	require.Equal(t, "SRV", o.Found[0].Source)
	require.Equal(t, "me@example.com", o.Found[0].Username)
	require.True(t, o.Found[0].Trusted)
	require.Len(t, o.Report.Attempts, 2)
	require.Equal(t, exitOK, o.Exit)

	r = probeAddress(t, s, inside, "-user", "me", "-auth")
	require.Equal(t, exitOK, r.exit, r.stderr)
	require.Equal(t, 1, s.Attempts(""))
}

// Of what nobody vouches for, nothing is used without being asked for.
func TestUntrusted(t *testing.T) {
	s := start(t)
	outside := map[string][]*net.SRV{"submissions": {{Target: "smtp.example.net.", Port: 465}}}
	r := probeAddress(t, s, outside)
	require.Equal(t, exitUnavailable, r.exit)
	require.Contains(t, r.stdout, "submissions://smtp.example.net:465  NOT TRUSTED, not probed\n")
	require.Contains(t, r.stderr, "can be trusted; -untrusted probes it")
	require.Zero(t, s.Connections(""))

	o := probeAddress(t, s, outside, "-json").object(t)
	require.False(t, o.Found[0].Trusted)
	require.NotEmpty(t, o.Found[0].Reason)
	require.Nil(t, o.Report)
	require.Equal(t, exitUnavailable, o.Exit)

	r = probeAddress(t, s, outside, "-untrusted")
	require.Equal(t, exitProtocol, r.exit, "its certificate is for another name")
	require.Contains(t, r.stdout, "submissions://smtp.example.net:465  NOT TRUSTED\n")
	require.Equal(t, 1, s.Connections(""))
}

func TestNothingFound(t *testing.T) {
	s := start(t)
	for _, records := range []map[string][]*net.SRV{nil, {"submissions": {{Target: "."}}, "submission": {{Target: "."}}}} {
		r := probeAddress(t, s, records)
		require.Equal(t, exitUnavailable, r.exit)
		require.Empty(t, r.stdout)
		require.Regexp(t, `^probe: [^\n]*example.com[^\n]*\n$`, r.stderr)

		o := probeAddress(t, s, records, "-json").object(t)
		require.NotNil(t, o.Found)
		require.Empty(t, o.Found)
		require.Nil(t, o.Report)
		require.NotNil(t, o.Error)
	}
}

// An address that is none is a matter of the command line.
func TestNoAddress(t *testing.T) {
	r := probe(t.Context(), "-json", "me@localhost")
	require.Equal(t, exitUsage, r.exit)
	require.Contains(t, r.stderr, "me@localhost")
	require.Equal(t, 1, bytes.Count([]byte(r.stderr), []byte("\n")))
}

// What failed is not hidden by what was found: it may be why that is not more.
func TestMissed(t *testing.T) {
	s := start(t)
	half := map[string][]*net.SRV{"submissions": {{Target: "smtp.example.com.", Port: 465}}}
	r := probeAddress(t, s, half)
	require.Equal(t, exitOK, r.exit, r.stderr)
	require.Contains(t, r.stdout, "user me@example.com\n\nnot found:\n\n  _submission._tcp.example.com\n    SRV: no SRV records\n\nwould use ")

	o := probeAddress(t, s, half, "-json").object(t)
	require.Len(t, o.Missed, 1)
	require.Equal(t, "SRV", o.Missed[0].Source)
	require.Equal(t, "_submission._tcp.example.com", o.Missed[0].From)
	require.Equal(t, "SRV: no SRV records", o.Missed[0].Error)

	r = probeAddress(t, s, nil)
	require.Empty(t, r.stdout, "where nothing was found the error has it all")
	require.Len(t, probeAddress(t, s, nil, "-json").object(t).Missed, 2)
	require.Nil(t, probe(t.Context(), at(t, s, "-json")...).object(t).Missed)
}

// What DNS and the web say ends no line and moves no cursor.
func TestFoundIsPlain(t *testing.T) {
	var b bytes.Buffer
	s := story{found: []negotiate.Found{{From: "a\x1b[31m\nb\u202e", Username: `"é"`, Reason: "\x07"}},
		missed: []negotiate.SourceError{{From: "a\x1b[31m\nb" + strings.Repeat("x", 9000), Err: errors.New("c\x1b\nd")}}}
	s.tellFound(&b, &options{target: "me@ex\x1bample.com"})
	requireASCII(t, b.String())
	require.Contains(t, b.String(), `a\x1b[31m\nb\u202e; user "\u00e9"`)
	require.Contains(t, b.String(), "\n    unknown: c\\x1b\\nd\n")
	require.Contains(t, b.String(), "\n  a\\x1b[31m\\nbxxx")
	require.Less(t, b.Len(), 1500)
	require.Equal(t, 11, bytes.Count(b.Bytes(), []byte("\n")))

	b.Reset()
	indented(&b, "one two three four", 12)
	require.Equal(t, "    one two\n    three\n    four\n", b.String())
}
