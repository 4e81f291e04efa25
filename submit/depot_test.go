package submit_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/submit"
)

// A depot is a server for many messages: it takes them by DATA and by BDAT, with
// envelope and all, and at any point does what the test wants. It shares no code
// with the client, nor with the server of submittest.
type depot struct {
	offers []string // in the reply to EHLO, beside AUTH

	// say has the first word on a command, by its verb; what is said when the end of
	// a message has come is asked for as ".", by DATA or BDAT. "" is the usual. It is
	// called under the lock of the depot.
	say func(v *guest, verb, args string) string

	// ahead, if not nil, has the last word on the commands that came behind the end
	// of a message, with it: what is said in place of the usual. BDAT counts as DATA.
	ahead func(v *guest, verb, usual string) string

	// delay, if not nil, is how long it takes to answer a command, or a message, whose
	// verb is ".".
	delay func(verb string) time.Duration

	keepsNothing bool // of what it takes

	mu      sync.Mutex // guards the fields below
	guests  int
	open    int
	most    int // open at the same time
	auths   int
	senders map[string]int // how often MAIL named them
	resets  int            // RSET commands
	taken   []taking       // in that order
	offered int            // messages whose end came
}

// A taking is a message that a depot took.
type taking struct {
	guest    int
	from     string
	to       []string
	body     string
	identity string // what follows "Subject: "
}

// A guest is one connection.
type guest struct {
	*depot
	n     int // from 1
	a     *actor
	out   *bufio.Writer
	mute  bool
	mails int // accepted of this guest
	took  int // messages

	behind bool // what is being answered came with the end of a message

	sender *string
	rcpts  []string
	chunks []byte
	inBDAT bool
}

// What a depot can say beside replies, and hangUp and silence.
const (
	noReply = "\x02" // no reply to this one
	swallow = "\x03" // at the end: and lose what else has come
)

// newDepot offers what nearly every server does.
func newDepot(offers ...string) *depot {
	return &depot{offers: append([]string{"PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES"}, offers...)}
}

// withDepot runs test in a world where the server is a depot.
func withDepot(t *testing.T, d *depot, test func(t *testing.T, w *world)) {
	t.Helper()
	withActor(t, d.attend, test)
}

func (d *depot) attend(a *actor) {
	d.mu.Lock()
	d.guests++
	d.open++
	d.most = max(d.most, d.open)
	v := &guest{depot: d, n: d.guests, a: a, out: bufio.NewWriter(a.conn)}
	greeting := d.word(v, "", "")
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.open--
	}()
	if greeting == "" {
		greeting = "220 " + host
	}
	for ok := v.reply(greeting); ok; ok = v.one() {
	}
	v.out.Flush()
	a.conn.CloseWrite()
}

func (d *depot) word(v *guest, verb, args string) string {
	if d.say == nil {
		return ""
	}
	return d.say(v, verb, args)
}

// reply says something, and reports whether there is more to be said.
func (v *guest) reply(text string) bool {
	if v.mute = v.mute || text == silence; v.mute || text == noReply {
		return true
	}
	text, over := strings.CutSuffix(text, hangUp)
	text, lossy := strings.CutSuffix(text, swallow)
	if text != "" {
		io.WriteString(v.out, strings.ReplaceAll(text, "\n", "\r\n")+"\r\n")
	}
	if lossy {
		v.a.in.Discard(v.a.in.Buffered())
	}
	return !over
}

// one attends to one command.
func (v *guest) one() bool {
	if v.a.in.Buffered() == 0 {
		if v.behind = false; v.out.Flush() != nil {
			return false
		}
	}
	line, err := v.a.in.ReadString('\n')
	if err != nil {
		return false
	}
	verb, args, _ := strings.Cut(strings.TrimSuffix(line, "\r\n"), " ")
	switch verb {
	case "BDAT":
		return v.bdat(args)
	case "DATA":
		return v.data()
	}
	v.mu.Lock()
	text := v.placed(verb, v.command(verb, args))
	v.mu.Unlock()
	v.wait(verb)
	return v.reply(text)
}

func (v *guest) wait(verb string) {
	if v.delay != nil {
		v.out.Flush()
		time.Sleep(v.delay(verb))
	}
}

// placed is what is said where a command stands, in place of the usual.
func (v *guest) placed(verb, usual string) string {
	if v.behind && v.ahead != nil {
		return v.ahead(v, verb, usual)
	}
	return usual
}

// command carries out what stands alone; the lock is held.
func (v *guest) command(verb, args string) string {
	switch verb {
	case "AUTH":
		v.auths++
	case "MAIL":
		if v.senders == nil {
			v.senders = make(map[string]int)
		}
		if !v.keepsNothing {
			v.senders[path(args)]++
		}
	case "RSET":
		v.resets++
	}
	if text := v.word(v, verb, args); text != "" {
		if !strings.HasPrefix(text, "2") {
			return text
		}
		v.usual(verb, args)
		return text
	}
	return v.usual(verb, args)
}

func (v *guest) usual(verb, args string) string {
	switch verb {
	case "EHLO":
		return ehloReply(append(v.offers, "AUTH PLAIN")...)
	case "AUTH":
		return "235 2.7.0 welcome"
	case "MAIL":
		if v.sender != nil {
			return "503 5.5.1 one at a time"
		}
		from := path(args)
		v.sender, v.rcpts, v.chunks, v.inBDAT = &from, nil, nil, false
		v.mails++
		return "250 2.1.0 ok"
	case "RCPT":
		if v.sender == nil || v.inBDAT {
			return "503 5.5.1 MAIL first"
		}
		v.rcpts = append(v.rcpts, path(args))
		return "250 2.1.5 ok"
	case "RSET":
		v.sender, v.rcpts, v.inBDAT = nil, nil, false
		return "250 2.0.0 ok"
	case "QUIT":
		return "221 2.0.0 bye" + hangUp
	}
	return "500 5.5.2 what?"
}

// path is what stands in the angle brackets of MAIL and RCPT.
func path(args string) string {
	_, rest, _ := strings.Cut(args, "<")
	inner, _, _ := strings.Cut(rest, ">")
	return inner
}

func (v *guest) data() bool {
	v.mu.Lock()
	text := v.word(v, "DATA", "")
	if text == "" {
		text = "354 go ahead"
		if len(v.rcpts) == 0 {
			text = "503 5.5.1 RCPT first"
		}
		text = v.placed("DATA", text)
	}
	v.mu.Unlock()
	if !v.reply(text) {
		return false
	}
	if !strings.HasPrefix(text, "354") && text != noReply {
		return true
	}
	if v.out.Flush() != nil {
		return false
	}
	var body []byte
	for {
		line, err := v.a.in.ReadString('\n')
		switch {
		case err != nil:
			return false
		case line == ".\r\n":
			v.wait(".")
			return v.reply(v.end(body))
		}
		body = append(body, strings.TrimPrefix(line, ".")...)
	}
}

func (v *guest) bdat(args string) bool {
	size, last, _ := strings.Cut(args, " ")
	n, err := strconv.Atoi(size)
	if err != nil {
		return v.reply("501 5.5.4 what?")
	}
	octets := make([]byte, n)
	if _, err := io.ReadFull(v.a.in, octets); err != nil {
		return false
	}
	v.mu.Lock()
	text := v.word(v, "BDAT", args)
	if text == "" && len(v.rcpts) == 0 {
		text = "503 5.5.1 RCPT first"
	}
	if text != "" {
		v.mu.Unlock()
		return v.reply(text)
	}
	v.inBDAT = true
	v.chunks = append(v.chunks, octets...)
	v.mu.Unlock()
	if last != "LAST" {
		return v.reply(v.placed("DATA", "250 2.0.0 continue"))
	}
	v.wait(".")
	return v.reply(v.end(v.chunks))
}

// end judges a message.
func (v *guest) end(body []byte) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.offered++
	v.behind = v.a.in.Buffered() > 0
	m := taking{guest: v.n, from: *v.sender, to: v.rcpts, body: string(body)}
	_, rest, _ := strings.Cut(m.body, "Subject: ")
	m.identity, _, _ = strings.Cut(rest, "\r\n")
	v.sender, v.rcpts, v.chunks, v.inBDAT = nil, nil, nil, false
	text := v.word(v, ".", m.identity)
	if text == "" {
		text = "250 2.0.0 queued as " + m.identity
	}
	if strings.HasPrefix(text, "2") || strings.HasPrefix(text, hangUp) { // taken, even if nobody hears of it
		if v.took++; !v.keepsNothing {
			v.taken = append(v.taken, m)
		}
	}
	return text
}

func (d *depot) tookAll() []taking {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]taking(nil), d.taken...)
}

// posted is message i of a batch for a depot: nothing in it is another's.
func posted(i int) submit.Message {
	return submit.Message{
		From: fmt.Sprintf("s%d@example.com", i),
		To:   []string{fmt.Sprintf("r%d@example.net", i)},
		Body: strings.NewReader(fmt.Sprintf("Subject: %d\r\n\r\nThis is message %d.\r\n.\r\n", i, i)),
	}
}

// A balance is what became of messages.
type balance struct{ receipts, uncertain, failed int }

// compare holds promise 3 for all messages at once: a receipt for what the depot
// took, and of that message; certainty where there is an error but ErrUncertain;
// nothing twice; no envelope with the body of another.
func (d *depot) compare(t *testing.T, list []submit.Result) (sum balance) {
	t.Helper()
	times := make(map[string]int)
	for _, m := range d.tookAll() {
		times[m.identity]++
		require.Contains(t, m.body, "This is message "+m.identity+".", "body of another message")
		require.Equal(t, "s"+m.identity+"@example.com", m.from, "envelope of another message")
		for _, to := range m.to {
			require.True(t, strings.HasPrefix(to, "r"+m.identity+"@") || strings.HasPrefix(to, "r"+m.identity+"-"), "%v", m.to)
		}
	}
	for i, r := range list {
		n := times[itoa(i)]
		require.LessOrEqual(t, n, 1, "message %d was taken twice: %v", i, r.Err)
		switch {
		case r.Err == nil:
			require.Equal(t, 1, n, "receipt for a message that was not taken: %d", i)
			require.Contains(t, r.Receipt.Reply.Text(), "queued as "+itoa(i), "receipt of another message")
			sum.receipts++
		case errors.Is(r.Err, submit.ErrUncertain):
			sum.uncertain++
		default:
			require.Zero(t, n, "message %d was taken, and has the error: %v", i, r.Err)
			sum.failed++
		}
	}
	return sum
}
