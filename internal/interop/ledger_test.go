//go:build interop && linux

package interop

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/mailport/mailport/submit"
)

// A ledger has an entry for each letter that was submitted to a server.
type ledger struct {
	vague string // what a server says that does not know what became of a letter; or ""

	mu      sync.Mutex // guards the fields below
	entries map[string]*entry
	awaited map[string]*entry // of letters that were taken and may not have arrived everywhere
	faults  []string          // what was found that must not be
}

// An entry is what became of a letter.
type entry struct {
	letter  *letter
	fate    fate
	err     error           // of what was not taken
	replies []submit.Reply  // to what was: they name its place in the queue
	left    map[string]bool // recipients who were refused
	seen    map[string][]string
}

type fate int

const (
	underWay fate = iota
	taken
	refused
	uncertain
)

func (f fate) String() string {
	return [...]string{"under way", "taken", "refused", "uncertain"}[f]
}

func newLedger(vague string) *ledger {
	return &ledger{vague: vague, entries: make(map[string]*entry), awaited: make(map[string]*entry)}
}

// enter comes before a letter is submitted: it may arrive before that has returned.
func (l *ledger) enter(m *letter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries[m.id] = &entry{letter: m, left: make(map[string]bool), seen: make(map[string][]string)}
}

// close comes after. A receipt or an error, never both: promise 3.
func (l *ledger) close(m *letter, receipt *submit.Receipt, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[m.id]
	switch {
	case (receipt == nil) == (err == nil):
		l.fault("%s: receipt %v and error %v", m.id, receipt, err)
	case err == nil:
		e.fate, l.awaited[m.id] = taken, e
		e.replies = append([]submit.Reply{receipt.Reply}, receipt.Further...)
		for _, r := range receipt.Refused {
			e.left[r.Recipient] = true
		}
	case errors.Is(err, submit.ErrUncertain):
		e.fate, e.err = uncertain, err
	default:
		e.fate, e.err = refused, err
	}
	m.data = nil // it is not submitted again
}

// arrive notes that a letter is in a mailbox; queued is its name in the server's queue.
func (l *ledger) arrive(id, mailbox, queued string, data []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[id]
	if e == nil {
		l.fault("%s is in the mailbox of %s, and nobody sent it", id, mailbox)
		return
	}
	if !slices.ContainsFunc(e.letter.to, func(to string) bool { return mailboxOf(to) == mailbox }) {
		l.fault("%s is in the mailbox of %s, and was for %v", id, mailbox, e.letter.to)
	}
	if !slices.Contains(e.seen[mailbox], queued) {
		// A server that is killed while it delivers may deliver again what it took once.
		e.seen[mailbox] = append(e.seen[mailbox], queued)
	}
	if e.letter.want == nil {
		l.fault("%s is in the mailbox of %s once more", id, mailbox)
	} else if d := difference(data, e.letter.want); d != "" {
		l.fault("%s is not in the mailbox of %s as it was sent: %s", id, mailbox, d)
	}
}

// torn reports whether data is the beginning of a letter.
func (l *ledger) torn(id string, data []byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[id]
	return e != nil && len(data) < len(e.letter.want) && bytes.HasPrefix(e.letter.want, data)
}

// note is fault, for who does not hold the mutex.
func (l *ledger) note(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fault(format, args...)
}

// found returns what has been found so far.
func (l *ledger) found() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.faults)
}

func (l *ledger) fault(format string, args ...any) {
	l.faults = append(l.faults, fmt.Sprintf(format, args...))
}

// missing returns how many letters have been taken and have not arrived everywhere,
// and the name of one.
func (l *ledger) missing() (n int, example string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, e := range l.awaited {
		lacks := e.lacks()
		if len(lacks) == 0 {
			delete(l.awaited, id)
			if len(e.letter.want) > 1<<20 {
				e.letter.want = nil // there are many of 50 MB
			}
			continue
		}
		example = fmt.Sprintf("%s to %v: %v", id, lacks, e.replies)
	}
	return len(l.awaited), example
}

// lacks returns the recipients of a letter that was taken who do not have it.
func (e *entry) lacks() (who []string) {
	for _, to := range e.letter.to {
		if !e.left[to] && len(e.seen[mailboxOf(to)]) == 0 {
			who = append(who, to)
		}
	}
	return who
}

// names reports whether the receipt of a letter names its place in the queue.
func (e *entry) names(queued string) bool {
	return slices.ContainsFunc(e.replies, func(r submit.Reply) bool { return strings.Contains(r.Text(), queued) })
}

// mailboxOf is the name of the folder.
func mailboxOf(address string) string {
	local, _, _ := strings.Cut(address, "@")
	return local
}

// audit returns what is wrong once everything has been delivered.
func (l *ledger) audit() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	faults := slices.Clone(l.faults)
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	for id, e := range l.entries {
		for mailbox, queued := range e.seen {
			switch {
			case len(queued) > 1:
				fault("%s was taken %d times for %s: %v", id, len(queued), mailbox, queued)
			case e.fate == refused && (l.vague == "" || !strings.Contains(e.err.Error(), l.vague)):
				fault("%s was refused (%v) and is in the mailbox of %s", id, e.err, mailbox)
			case e.left[mailbox+"@example.net"]:
				fault("%s is in the mailbox of %s, who was refused", id, mailbox)
			case e.fate == taken && !e.names(queued[0]):
				fault("%s has a receipt that says %v, and was %s in the queue: it is another's", id, e.replies, queued[0])
			}
		}
		if e.fate == underWay {
			fault("nobody knows what became of %s", id)
		}
	}
	return faults
}

// tally counts letters by what became of them.
func (l *ledger) tally(letters []*letter) map[fate]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := make(map[fate]int)
	for _, m := range letters {
		n[l.entries[m.id].fate]++
	}
	return n
}
