package submit

import (
	"cmp"
	"context"
	"errors"
	"iter"
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
// one by one there is Submit, which shares sessions in the same way.
//
// Breaking out of the loop stops the reading; what is on its way is finished, its
// results are dropped, and the loop ends after that. If ctx ends, no more is read,
// and all that was gets its result at once, as from Submit. If the credentials
// are refused ([ErrCredentials]), they are not shown again: that is the result of
// all other messages, too.
func (p *Pool) SubmitAll(ctx context.Context, messages iter.Seq[Message]) iter.Seq[Result] {
	return func(yield func(Result) bool) {
		if p.Transport == nil {
			yield(Result{Err: errNoTransport()})
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

	index   int // of the next message
	under   map[*waiter]struct{}
	octets  int // of what is under way
	results chan *waiter
	leading sync.WaitGroup
	used    []*waiter // settled; what they are made of can be used again
	refused error     // credentials
	over    bool      // nobody wants results any more

	mu       sync.Mutex
	panicked any // what came out of a reader, for the goroutine of the loop
}

func newBatch(ctx context.Context, p *Pool, yield func(Result) bool) *batch {
	sessions := max(1, orInt(p.MaxSessions, 4))
	most := min(mostAhead, sessions*min(readAhead*p.window(), mostAhead))
	return &batch{
		p: p, ctx: ctx, quiet: endless{ctx}, yield: yield, most: most,
		under: make(map[*waiter]struct{}, most), results: make(chan *waiter, most),
	}
}

// add takes the next message of the sequence, and yields the results there are. It
// reports whether there is use in more.
func (b *batch) add(m Message) bool {
	i := b.index
	b.index++
	if b.refused != nil {
		return b.tell(Result{Index: i, Err: b.refused})
	}
	w := b.fresh()
	err := w.letter.prepare(b.ctx, m)
	if err == nil {
		err = b.p.pace(b.ctx)
	}
	if err != nil {
		return b.tell(Result{Index: i, Err: err}) && b.ctx.Err() == nil
	}
	*w = waiter{letter: w.letter, ctx: b.quiet, owner: b, index: i}
	b.enqueue(w)
	for !b.over && b.ctx.Err() == nil {
		if len(b.under) >= b.most || b.octets >= mostOctetsAhead {
			b.wait()
			continue
		}
		select {
		case w := <-b.results:
			b.settled(w)
			continue
		default:
		}
		break
	}
	if b.ctx.Err() != nil {
		b.cancel()
		return false
	}
	return !b.over
}

// enqueue has the pool submit w.
func (b *batch) enqueue(w *waiter) {
	b.under[w] = struct{}{}
	b.octets += len(w.letter.body.head)
	p := b.p
	for {
		p.mu.Lock()
		if p.closed {
			w.settled(nil, p.errClosed())
			p.mu.Unlock()
			b.results <- w
			return
		}
		s, ok := p.takeNow(w.letter)
		if !ok {
			p.waiting = append(p.waiting, w)
			p.feed()
			p.mu.Unlock()
			return
		}
		if s == nil {
			b.lead(w, nil)
			p.mu.Unlock()
			return
		}
		p.mu.Unlock()
		if s.conn.Unpark() {
			p.mu.Lock()
			b.lead(w, s)
			p.mu.Unlock()
			return
		}
		s.Close()
		p.free()
	}
}

// lead submits w by itself, in a goroutine of its own.
func (b *batch) lead(w *waiter, s *pooled) {
	w.place = led
	b.leading.Add(1)
	go func() { // end waits for it
		defer b.leading.Done()
		b.submit(w, s)
	}()
}

func (b *batch) submit(w *waiter, s *pooled) {
	returned := false
	defer func() {
		if !returned { // the message's reader panicked, and the caller is to see that
			b.mu.Lock()
			b.panicked = recover()
			b.mu.Unlock()
			b.results <- w
		}
	}()
	receipt, again, err := b.p.lead(b.ctx, w.letter, s)
	returned = true
	if again {
		b.p.mu.Lock()
		waits := b.p.open > 0 && !b.p.closed
		if waits {
			w.place = inQueue
			b.p.waiting = append([]*waiter{w}, b.p.waiting...)
			b.p.feed()
		}
		b.p.mu.Unlock()
		if waits {
			return
		}
	}
	b.p.mu.Lock()
	w.settled(receipt, err)
	b.p.mu.Unlock()
	b.results <- w
}

// settle belongs to owner.
func (b *batch) settle(w *waiter) { b.results <- w } // has room for all that are under way

// wait waits for a result, or for the end of ctx.
func (b *batch) wait() {
	select {
	case w := <-b.results:
		b.settled(w)
	case <-b.ctx.Done():
	}
}

// settled yields what became of w.
func (b *batch) settled(w *waiter) {
	delete(b.under, w)
	b.octets -= len(w.letter.body.head)
	b.mu.Lock()
	panicked := b.panicked
	b.mu.Unlock()
	if panicked != nil {
		panic(panicked)
	}
	if isRefused(w.err) {
		b.refused = w.err
	}
	r := Result{Index: w.index, Receipt: w.receipt, Err: w.err}
	b.used = append(b.used, w)
	b.tell(r)
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
func (b *batch) tell(r Result) bool {
	if !b.over {
		b.over = true // should yield panic
		b.over = !b.yield(r)
	}
	return !b.over
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
	sortByIndex(left)
	for _, w := range left {
		if err := b.p.leave(b.ctx, w); err != nil {
			delete(b.under, w)
			b.tell(Result{Index: w.index, Err: err})
		}
	}
	for len(b.under) > 0 { // they know themselves that ctx has ended
		b.settled(<-b.results)
	}
}

// end waits for what is on its way, and takes back what is not.
func (b *batch) end() {
	b.over = true
	for w := range b.under {
		if b.p.withdraw(w) {
			delete(b.under, w)
		}
	}
	for len(b.under) > 0 {
		select {
		case w := <-b.results:
			b.settled(w)
		case <-b.ctx.Done():
			b.cancel()
		}
	}
	b.leading.Wait()
}

// withdraw takes w out of the queue, if it is in it.
func (p *Pool) withdraw(w *waiter) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := -1
	if w.place == inQueue {
		i = slices.Index(p.waiting, w)
		p.waiting = slices.Delete(p.waiting, i, i+1)
	}
	return i >= 0
}

func sortByIndex(list []*waiter) {
	slices.SortFunc(list, func(a, b *waiter) int { return cmp.Compare(a.index, b.index) })
}

func isRefused(err error) bool { return errors.Is(err, ErrCredentials) }
