package hostile

import (
	"bytes"
	"encoding/base64"
	"regexp"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync"
)

// Evidence is what a server has heard on one connection, above TLS, and said.
type evidence struct {
	clear, heard, said []byte   // in cleartext; over TLS; by the server
	judged             []int    // how much was said when a message had come to its end
	numbers            []int    // of these messages
	tooMuch            []moment // what should not have been said
	flooded            int      // how much had been said when more was said than is kept; 0: never
	heap               uint64   // the most that there was in use
}

func (e *evidence) hear(octets []byte, secure bool) {
	if !secure {
		e.clear = append(e.clear, octets...)
		return
	}
	e.heard = append(e.heard, octets...)
}

// watchHeap notes how much memory is in use, by all that there is in this process.
func (e *evidence) watchHeap() { e.heap = max(e.heap, heap()) }

func heap() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// logins counts the lines that show a password, or prove that it is known.
func (e *evidence) logins() (n int) {
	for line := range bytes.Lines(e.heard) {
		for word := range bytes.FieldsSeq(line) {
			plain, err := base64.StdEncoding.DecodeString(string(word))
			if err == nil && (bytes.Contains(plain, []byte(password)) || bytes.Contains(plain, []byte(token)) || bytes.Contains(plain, []byte(",p="))) {
				n++
			}
		}
	}
	return n
}

// tried reports whether there was any attempt to authenticate.
func (e *evidence) tried() bool {
	return bytes.Contains(append([]byte("\n"), e.heard...), []byte("\nAUTH "))
}

// touched reports whether a part of a message was seen.
func (e *evidence) touched() bool { return bytes.Contains(e.heard, []byte(marker)) }

var lastBDAT = regexp.MustCompile(`BDAT (\d+) LAST\r\n`)

// ends are the places in what was heard where a message is at its end: after the
// dot of DATA, or the last chunk.
func (e *evidence) ends() (at []int) {
	dot := []byte("\r\n.\r\n")
	for i := 0; ; {
		next := bytes.Index(e.heard[i:], dot)
		if next < 0 {
			break
		}
		i += next + len(dot)
		at = append(at, i)
	}
	for _, m := range lastBDAT.FindAllSubmatchIndex(e.heard, -1) {
		size, _ := strconv.Atoi(string(e.heard[m[2]:m[3]]))
		if i := m[1] + size; i <= len(e.heard) {
			at = append(at, i)
		}
	}
	return at
}

// verdicts are the codes that the server said to each message that came to its end
// for somebody, in its own order; 0 where it said none.
func (e *evidence) verdicts() (codes []int) {
	for _, at := range e.judged {
		said := e.said[at:]
		if e.flooded >= max(1, at) {
			said = e.said[at:e.flooded] // what comes then is too much, whatever it is
		}
		codes = append(codes, verdict(string(said)))
	}
	return codes
}

// verdict is the code of the first reply in s; 0 if that is none.
func verdict(s string) int {
	code := ""
	for line := range strings.Lines(s) {
		line, ended := strings.CutSuffix(line, "\n")
		line = strings.TrimSuffix(line, "\r")
		if !ended || len(line) < 3 || code != "" && line[:3] != code {
			return 0
		}
		code = line[:3]
		if len(line) == 3 || line[3] == ' ' {
			n, _ := strconv.Atoi(code)
			return n
		}
	}
	return 0
}

// secrets are the forms of what nobody may see in cleartext: the password and a
// part of the message, as they are and as they look amid base64.
var secrets = sync.OnceValue(func() (all []string) {
	for _, s := range []string{password, token, marker} {
		all = append(all, s)
		for shift := range 3 { // where the first octet stands in a group of three
			text := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + s))
			// What comes before and behind has a part in the characters at the ends.
			all = append(all, text[4:len(text)-2])
		}
	}
	return all
})
