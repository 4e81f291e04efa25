package main

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/submit"
)

func TestReadHeader(t *testing.T) {
	for _, header := range []string{
		"Subject: hi\r\n\r\n",
		"Subject: hi\n\n",
		"Subject: hi\n",
		"Subject: hi",
		"Subject:\n folded\n\ttwice\nX-Odd!: 1\n\n",
		"Subject: gr\u00fc\u00dfe\n\n",
	} {
		r := bufio.NewReaderSize(iotest.OneByteReader(strings.NewReader(header)), maxLine)
		got, err := readHeader(r)
		require.NoError(t, err, "%q", header)
		require.Equal(t, header, string(got))
	}
	r := bufio.NewReaderSize(strings.NewReader("A: b\n\n\x00 no header"), maxLine)
	_, err := readHeader(r)
	require.NoError(t, err)
	rest, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Equal(t, "\x00 no header", string(rest), "what comes after the header is not touched")
}

func TestReadHeaderRefuses(t *testing.T) {
	for _, c := range []struct{ header, why string }{
		{"", "there is none"},
		{"\n", "line 1 is empty"},
		{"\r\nSubject: late\r\n", "line 1 is empty"},
		{"Hello world\n", "line 1 has no colon"},
		{"Subject: hi\nHello world\n\n", "line 2 has no colon"},
		{" folded: from nothing\n", `line 1 has no field name before the colon: " folded"`},
		{": nameless\n", "line 1 has no field name"},
		{"From me@example.com Sun Nov 23 12:00:00 2025\nSubject: hi\n\n", "line 1 has no field name"},
		{"Subject: hi\x00\n\n", "line 1 has the control character 0x00"},
		{"Subject: hi\n\x1b[2J\n\n", "line 2 has the control character 0x1b"},
		{"Subject: hi\rBcc: you@example.net\n\n", "line 1 has the control character 0x0d"},
		{"Subject: hi\x7f\n\n", "line 1 has the control character 0x7f"},
		{"Subject: gr\xfc\xdfe\n\n", "line 1 is neither ASCII nor UTF-8"},
		{"Subject: " + strings.Repeat("x", maxLine), "longer than"},
		{strings.Repeat("X: "+strings.Repeat("x", 1000)+"\n", 2000), "longer than"},
	} {
		_, err := readHeader(bufio.NewReaderSize(strings.NewReader(c.header), maxLine))
		require.ErrorIs(t, err, submit.ErrInvalid, "%.60q", c.header)
		require.ErrorContains(t, err, c.why)
	}
	broken := errors.New("broken")
	_, err := readHeader(bufio.NewReader(iotest.ErrReader(broken)))
	require.ErrorIs(t, err, broken)
}
