package negotiate

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
)

// ErrNoSubmission says that the domain's SRV records deny any submission
// service (RFC 6186, section 3.4).
var ErrNoSubmission = errors.New("the domain says that it offers no mail submission (RFC 6186, section 3.4)")

// A DiscoveryError says why [Discover] has found nothing. [errors.Is] and
// [errors.As] see the context's error and its cause if the context ended, and
// otherwise what kept each source from answering, such as a [*net.DNSError].
type DiscoveryError struct {
	Domain  string        // in ASCII
	Sources []SourceError // in the order of their rank; nil if the context ended

	denied bool
	ended  []error
}

// A SourceError says why a source has nothing.
type SourceError struct {
	Source Source
	From   string // the name or the URL that was asked
	Err    error
}

// Error returns one line.
func (e *SourceError) Error() string {
	if e.Err == nil {
		return inOneReason(e.Source.String() + ": failed")
	}
	return inOneReason(e.Source.String() + ": " + e.Err.Error())
}

// Unwrap returns the cause.
func (e *SourceError) Unwrap() error { return e.Err }

// Error returns one line: the domain, and what each source said.
func (e *DiscoveryError) Error() string {
	text := "no submission server found for " + e.Domain
	switch {
	case e.ended != nil:
		return inOneReason(text + ": " + e.ended[len(e.ended)-1].Error())
	case e.denied:
		return text + ": " + ErrNoSubmission.Error()
	case len(e.Sources) == 0:
		return text + ": no source was asked"
	}
	var texts []string
	for _, s := range e.Sources {
		if said := s.Error(); !slices.Contains(texts, said) {
			texts = append(texts, said)
		}
	}
	return text + ": " + strings.Join(texts, "; ")
}

// Unwrap returns what decided.
func (e *DiscoveryError) Unwrap() (all []error) {
	switch {
	case e.ended != nil:
		return e.ended
	case e.denied:
		return []error{ErrNoSubmission}
	}
	for i := range e.Sources {
		all = append(all, &e.Sources[i])
	}
	return all
}

// endOf returns why ctx ended: its error and, if it has one, its cause.
func endOf(ctx context.Context) []error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return []error{cause}
	}
	return []error{err, cause}
}

// reason is why nothing came of a question: not a connection's deadline, or its
// being closed, if there is a context behind that.
func reason(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
		<-ctx.Done() // a connection has the same deadline, and may be first
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// worded is an error in other words.
type worded struct {
	text string
	err  error
}

func (e *worded) Error() string { return e.text }
func (e *worded) Unwrap() error { return e.err }

// maxReason bounds what one source can put into a line of somebody's log, in octets.
const maxReason = 500

// inOneReason is text, fit to be printed and bounded as it is printed: an escape
// sequence is longer than what it stands for.
func inOneReason(text string) string {
	text = printable(text)
	if len(text) <= maxReason {
		return text
	}
	return strings.ToValidUTF8(text[:maxReason], "") + "…"
}
