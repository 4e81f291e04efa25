package submit

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"runtime"
	"slices"
	"sync"
)

// A Result is how one message of a sequence ended.
type Result struct {
	Index   int      // of the message in the sequence, from 0
	Receipt *Receipt // or nil
	Err     error    // if there is no receipt
}

// What SubmitAll reads ahead at most: so many messages for each session beyond its
// window, in all, and so many octets.
const (
	readAhead       = 2
	mostAhead       = 8192
	mostOctetsAhead = 16 << 20
)

// SubmitAll submits the messages of a sequence, many at a time over all sessions
// of the pool, and yields a [Result] for each, once, in the order in which they
// are settled. Memory is bounded however long the sequence is: it is read ahead
// only as far as messages can be sent.
//
// The sequence is read by the goroutine of the loop, between results: while it
// makes its caller wait for a message, no result is yielded. For messages that come
// one by one there is Submit, which shares sessions in the same way. A Body of more
// than 64 KiB is read while the sequence goes on, by another goroutine; should
// its Read panic, the loop does.
//
// Breaking out of the loop stops the reading; what is on its way is finished, its
// results are dropped, and the loop ends after that. If ctx ends, no more is read,
// and all that was gets its result at once, as from Submit; whether there would have
// been more, ctx does not tell. If the credentials
// are refused ([ErrCredentials]), they are not shown again: that is the result of
// all other messages, too.
func (p *Pool) SubmitAll(ctx context.Context, messages iter.Seq[Message]) iter.Seq[Result] {
	return func(yield func(Result) bool) {
		if ctx.Err() != nil {
			return
		}
		b := newBatch(ctx, p, yield)
		defer b.end()
		for m := range messages {
			if !b.add(m) {
				return
			}
		}
		b.finish()
	}
}

// A batch is one SubmitAll.
type batch struct {
	p     *Pool
	ctx   context.Context // of the one call that a batch lives for
	quiet context.Context // ctx without its end
	yield func(Result) bool
	most  int // messages under way

	index    int // of the next message
	under    map[*waiter]struct{}
	octets   int // of what is under way
	arriving *arrivals
	here     []*waiter // have arrived; up to next they are settled
	next     int
	running  sync.WaitGroup
	pacer    *pacer    // if there is a limiter, from the first message on
	used     []*waiter // settled; what they are made of can be used again
	over     bool      // nobody wants results any more
	ending   bool      // and what is under way is waited for
	thrown   func()    // does what a reader did instead of returning; or nil

	refused error // credentials, or whatever no message can do without; guarded by the pool's mu
}

func newBatch(ctx context.Context, p *Pool, yield func(Result) bool) *batch {
	most := p.ahead()
	b := &batch{
		p: p, ctx: ctx, quiet: detach(ctx), yield: yield, most: most,
		under: make(map[*waiter]struct{}, most), arriving: newArrivals(most),
	}
	if p.Transport == nil {
		b.refused = errNoTransport()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.batches = append(p.batches, b)
	return b
}

// ahead is how many messages of a sequence are under way at most.
func (p *Pool) ahead() int {
	return min(mostAhead, min(p.most(), mostAhead)*readAhead*min(p.window(), mostAhead))
}

// refuse is for credentials that were refused: they are not shown again for the
// messages of b. The pool's mu is held.
func (b *batch) refuse(err error) {
	if errors.Is(err, ErrCredentials) && b.refused == nil {
		b.refused = err
	}
}

func (b *batch) refusal() error {
	b.p.mu.Lock()
	defer b.p.mu.Unlock()
	return b.refused
}

// add takes the next message of the sequence, and yields the results there are. It
// reports whether there is use in more.
func (b *batch) add(m Message) bool {
	i := b.index
	b.index++
	w, err := b.prepare(m)
	switch {
	case b.over:
		return false
	case err != nil:
		b.tell(Result{Index: i, Err: err})
	default:
		*w = waiter{letter: w.letter, ctx: b.quiet, owner: b, index: i}
		w.keep()
		b.enqueue(w)
	}
	b.catchUp()
	if b.ctx.Err() != nil {
		b.cancel()
	}
	return !b.over && b.ctx.Err() == nil
}

func (b *batch) prepare(m Message) (*waiter, error) {
	if err := b.refusal(); err != nil {
		return nil, err
	}
	w := b.fresh()
	if err := w.letter.prepare(b.ctx, m); err != nil {
		return nil, err
	}
	return w, b.pace()
}

// catch runs f, and notes what it does if it does not return: it panics, or ends
// its goroutine.
func catch(thrown *func(), f func()) {
	returned := false
	defer func() {
		if returned {
			return
		}
		if v := recover(); v != nil {
			*thrown = func() { panic(v) }
		} else {
			*thrown = runtime.Goexit
		}
	}()
	f()
	returned = true
}

// catchUp yields the results there are, and waits for some while there is no room
// for more messages.
func (b *batch) catchUp() {
	for !b.over && b.ctx.Err() == nil {
		b.collect()
		if len(b.under) < b.most && b.octets < mostOctetsAhead {
			return
		}
		b.wait()
	}
}

// enqueue has the pool submit w.
func (b *batch) enqueue(w *waiter) {
	b.under[w] = struct{}{}
	b.arriving.expect()
	b.octets += len(w.letter.body.head)
	s, waits, err := b.claim(w)
	switch {
	case err != nil:
		b.arrive(w, nil, err)
	case !waits:
		b.submit(w, s)
	}
}

// claim is the pool's take: it returns a session, or leave to open one, unless w
// waits in the queue from now on.
func (b *batch) claim(w *waiter) (s *pooled, waits bool, err error) {
	for {
		s, waits, err = b.claimNow(w)
		if s == nil || s.conn.Unpark() {
			return s, waits, err
		}
		s.Close()
		b.p.free()
	}
}

func (b *batch) claimNow(w *waiter) (s *pooled, waits bool, err error) {
	p := b.p
	p.mu.Lock()
	defer p.mu.Unlock()
	p.draw(&w.ticket)
	switch {
	case b.refused != nil:
		return nil, false, b.refused
	case b.ctx.Err() != nil:
		return nil, false, p.errorFor(wireContext(b.ctx))
	case p.closed:
		return nil, false, p.errClosed()
	}
	if !p.carriesIdle(w.letter) {
		if s, ok := p.takeNow(w.letter); ok {
			w.place = led
			return s, false, nil
		}
	}
	p.enqueue(w)
	p.serve()
	return nil, true, nil
}

// lead belongs to owner.
func (b *batch) lead(w *waiter, s *pooled) {
	w.place = led
	b.submit(w, s)
}

// submit submits w by itself, in a goroutine of its own.
func (b *batch) submit(w *waiter, s *pooled) {
	b.running.Go(func() { // end waits for it
		var (
			waits   bool
			receipt *Receipt
			err     error
		)
		defer func() { // should a reader end the goroutine
			if !waits {
				b.arrive(w, receipt, err)
			}
		}()
		catch(&w.thrown, func() { receipt, waits, err = b.submitAlone(w, s) })
	})
}

func (b *batch) submitAlone(w *waiter, s *pooled) (receipt *Receipt, waits bool, err error) {
	for {
		var again bool
		if receipt, again, err = b.p.lead(b.ctx, w.letter, s); !again {
			return receipt, false, err
		}
		if s, waits, err = b.claim(w); waits || err != nil {
			return nil, waits, err
		}
	}
}

func (b *batch) arrive(w *waiter, receipt *Receipt, err error) {
	b.p.mu.Lock()
	w.settled(receipt, err)
	b.p.mu.Unlock()
	b.settle(w)
}

// settle belongs to owner.
func (b *batch) settle(w *waiter) { b.arriving.add(w) }

// wait waits for results, or for the end of ctx.
func (b *batch) wait() {
	select {
	case <-b.arriving.bell:
		b.collect()
	case <-b.arriving.late:
		b.collect()
	case <-b.ctx.Done():
	}
}

// collect yields what has arrived.
func (b *batch) collect() {
	for {
		if b.next == len(b.here) {
			if b.here, b.next = b.arriving.collect(b.here), 0; len(b.here) == 0 {
				return
			}
		}
		b.next++ // should yield panic
		b.settled(b.here[b.next-1])
	}
}

// settled yields what became of w.
func (b *batch) settled(w *waiter) {
	delete(b.under, w)
	b.octets -= len(w.letter.body.head)
	if w.thrown != nil {
		b.rethrow(w.thrown)
		return
	}
	r := Result{Index: w.index, Receipt: w.receipt, Err: w.err}
	if isRefused(w.err) {
		b.p.mu.Lock()
		b.refuse(w.err)
		b.p.mu.Unlock()
	}
	b.used = append(b.used, w)
	b.tell(r)
}

// rethrow does what a reader did, where the caller can see it: once, and not before
// all is over if the loop is being left.
func (b *batch) rethrow(thrown func()) {
	switch {
	case b.thrown != nil:
	case b.ending:
		b.thrown = thrown
	default:
		b.thrown = func() {} // end has nothing to throw
		b.over = true
		thrown()
	}
}

// fresh returns a waiter for a message, one that is settled if there is any.
func (b *batch) fresh() *waiter {
	last := len(b.used) - 1
	if last < 0 {
		return &waiter{letter: new(parcel)}
	}
	w := b.used[last]
	b.used = b.used[:last]
	return w
}

// tell yields a result, if anybody wants it.
func (b *batch) tell(r Result) {
	if !b.over {
		b.over = true // should yield panic
		b.over = !b.yield(r)
	}
}

// finish yields the results of all that is under way.
func (b *batch) finish() {
	for len(b.under) > 0 && !b.over && b.ctx.Err() == nil {
		b.wait()
	}
	if b.ctx.Err() != nil {
		b.cancel()
	}
}

// cancel is the end of ctx: all that is under way has its result now.
func (b *batch) cancel() {
	left := make([]*waiter, 0, len(b.under))
	for w := range b.under {
		left = append(left, w)
	}
	slices.SortFunc(left, func(a, b *waiter) int { return cmp.Compare(a.index, b.index) })
	for _, w := range left {
		if err := b.p.leave(b.ctx, w); err != nil {
			delete(b.under, w)
			b.arriving.unexpect()
			b.tell(Result{Index: w.index, Err: err})
		}
	}
	for b.collect(); len(b.under) > 0; b.collect() { // they know themselves that ctx has ended
		select {
		case <-b.arriving.bell:
		case <-b.arriving.late:
		}
	}
}

// end waits for what is on its way, and takes back what is not.
func (b *batch) end() {
	b.over, b.ending = true, true
	if b.pacer != nil {
		b.pacer.end()
	}
	for _, w := range b.p.withdraw(b) {
		delete(b.under, w)
		b.arriving.unexpect()
	}
	for b.collect(); len(b.under) > 0; b.collect() {
		select {
		case <-b.arriving.bell:
		case <-b.arriving.late:
		case <-b.ctx.Done():
			b.cancel()
		}
	}
	b.arriving.stop()
	b.running.Wait()
	hush(b.quiet)
	if b.thrown != nil {
		b.thrown()
	}
}

// withdraw takes what is left of b out of the queue, and b off the list.
func (p *Pool) withdraw(b *batch) (list []*waiter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.batches = slices.DeleteFunc(p.batches, func(other *batch) bool { return other == b })
	p.waiting = slices.DeleteFunc(p.waiting, func(w *waiter) bool {
		if w.owner != b {
			return false
		}
		list = append(list, w)
		return true
	})
	return list
}

func isRefused(err error) bool { return errors.Is(err, ErrCredentials) }
