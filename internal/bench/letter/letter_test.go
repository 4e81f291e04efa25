package letter

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// checked gives a message to a Check in pieces of n octets.
func checked(message []byte, n int) (int, error) {
	var c Check
	for len(message) > 0 {
		n = min(n, len(message))
		c.Take(message[:n])
		message = message[n:]
	}
	return c.Verdict()
}

// A message has the size that was asked for, is one to others as well, and is
// recognised in pieces of any size.
func TestLetter(t *testing.T) {
	for _, size := range []int{512, 513, 514, 515, 600, 2048, 2049, 10_000} {
		message := New(size).Append(nil, 1234567)
		require.Len(t, message, size)
		parsed, err := mail.ReadMessage(bytes.NewReader(message))
		require.NoError(t, err)
		require.Equal(t, "<0001234567@bench.example.com>", parsed.Header.Get("Message-ID"))
		for _, line := range bytes.SplitAfter(message, []byte("\r\n")) {
			require.LessOrEqual(t, len(line), 78)
			require.Equal(t, bytes.Count(line, []byte("\n")), bytes.Count(line, []byte("\r\n")))
		}
		for _, n := range []int{1, 7, 100, len(message)} {
			serial, err := checked(message, n)
			require.NoError(t, err)
			require.Equal(t, 1234567, serial)
		}
	}
}

// There are lines that begin with a dot, so that it is seen if they are mistaken.
func TestDots(t *testing.T) {
	require.Contains(t, New(2048).Text(1), "\r\n.")
}

// The text is what it was after it has been encoded as quoted-printable: nothing
// in it needs to be.
func TestTextNeedsNoEncoding(t *testing.T) {
	text := New(2048).Text(5)
	var encoded strings.Builder
	w := quotedprintable.NewWriter(&encoded)
	_, err := io.WriteString(w, text)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	require.Equal(t, text, encoded.String())
	serial, err := checked([]byte("X: y\r\n\r\n"+text), 1000)
	require.NoError(t, err)
	require.Equal(t, 5, serial)
}

// Whatever octet is changed, left out or added in the text, it is noticed: as
// damage, or as another serial number, which is one too many.
func TestDamage(t *testing.T) {
	l := New(700)
	message := l.Append(nil, 7)
	text := bytes.Index(message, []byte(declaration))
	for i := text; i < len(message); i++ {
		changed := bytes.Clone(message)
		changed[i] ^= 1
		serial, err := checked(changed, len(changed))
		require.True(t, err != nil || serial != 7, "octet %d of %d", i, len(message))

		short := append(bytes.Clone(message[:i]), message[i+1:]...)
		serial, err = checked(short, len(short))
		require.True(t, err != nil || serial != 7, "without octet %d of %d", i, len(message))
	}
}

// A long line and another's mail are none of ours.
func TestNoneOfOurs(t *testing.T) {
	for _, message := range []string{"", "Subject: x\r\n\r\nhello\r\n", strings.Repeat("x", 10_000), "#mail 1\r\n"} {
		_, err := checked([]byte(message), 1000)
		require.Error(t, err)
	}
}

func TestStamp(t *testing.T) {
	l := New(600)
	message := l.Append(nil, 1)
	l.Stamp(message, 2)
	require.Equal(t, l.Append(nil, 2), message)
}

// A large message is what its reader and its length say, and its attachment what
// Content says.
func TestLarge(t *testing.T) {
	for _, size := range []int{1, 78, 5000, 1 << 20} {
		l := NewLarge(size)
		message, err := io.ReadAll(l.Ready(3))
		require.NoError(t, err)
		require.Len(t, message, l.Size())
		serial, err := checked(message, 1000)
		require.NoError(t, err)
		require.Equal(t, 3, serial)

		parsed, err := mail.ReadMessage(bytes.NewReader(message))
		require.NoError(t, err)
		_, parameters, err := mime.ParseMediaType(parsed.Header.Get("Content-Type"))
		require.NoError(t, err)
		parts := multipart.NewReader(parsed.Body, parameters["boundary"])
		_, err = parts.NextPart()
		require.NoError(t, err)
		attachment, err := parts.NextPart()
		require.NoError(t, err)
		encoded, err := io.ReadAll(attachment)
		require.NoError(t, err)
		decoded, err := base64.StdEncoding.DecodeString(string(encoded))
		require.NoError(t, err)
		content, err := io.ReadAll(l.Content())
		require.NoError(t, err)
		require.Equal(t, content, decoded)

		message[len(message)-len(after)-10] ^= 1
		_, err = checked(message, 1000)
		require.Error(t, err)
	}
}

func TestContentSeeks(t *testing.T) {
	c := NewLarge(1 << 20).Content()
	all, err := io.ReadAll(c)
	require.NoError(t, err)
	at, err := c.Seek(-5000, io.SeekEnd)
	require.NoError(t, err)
	require.EqualValues(t, len(all)-5000, at)
	rest, err := io.ReadAll(c)
	require.NoError(t, err)
	require.Equal(t, all[at:], rest)
	_, err = c.Seek(-1, io.SeekStart)
	require.Error(t, err)
}
