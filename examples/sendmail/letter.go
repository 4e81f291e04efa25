package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/mailport/mailport/submit"
)

// A letter is the message. Its header has been read and found in order.
type letter struct {
	in     *io.PipeWriter // closing it ends a Read that waits
	stream io.Reader
	whole  []byte // if it is to be read more than once
}

// read reads the header of the message, or all of it to send it more than once.
func read(ctx context.Context, stdin io.Reader, again bool) (*letter, error) {
	out, in := pipe(stdin)
	l := &letter{in: in}
	stop := l.interruptAfter(ctx)
	defer stop()
	rest := bufio.NewReaderSize(out, maxLine)
	header, err := readHeader(rest)
	l.stream = io.MultiReader(bytes.NewReader(header), rest)
	if err == nil && again {
		l.whole, err = io.ReadAll(l.stream)
	}
	if err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// open returns the message as a reader that fails when ctx ends.
func (l *letter) open(ctx context.Context) io.Reader {
	if l.whole != nil {
		return bytes.NewReader(l.whole)
	}
	l.interruptAfter(ctx)
	return l.stream
}

func (l *letter) close() { _ = l.in.Close() } // never fails

func (l *letter) interruptAfter(ctx context.Context) (stop func() bool) {
	return context.AfterFunc(ctx, func() {
		_ = l.in.CloseWithError(fmt.Errorf("while reading standard input: %w", ctx.Err())) // never fails
	})
}

// pipe puts a pipe behind r, since a pipe can be closed while r waits for
// somebody to type, or for another program. Package submit ends every call with
// its context, but cannot interrupt Read.
func pipe(r io.Reader) (*io.PipeReader, *io.PipeWriter) {
	out, in := io.Pipe()
	go func() { // nobody waits for it: it ends when r has something to say, or with the program
		_, err := io.Copy(in, r)
		if err != nil {
			err = fmt.Errorf("%w: standard input: %w", submit.ErrInvalid, err)
		}
		_ = in.CloseWithError(err) // never fails, and does nothing if it was closed before
	}()
	return out, in
}
