package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"time"

	"github.com/mailport/mailport/internal/bench/driver"
	"github.com/mailport/mailport/internal/bench/letter"
)

// work does the job that in describes, and tells out what was measured.
func work(ctx context.Context, in io.Reader, out io.Writer) error {
	var j job
	if err := json.NewDecoder(in).Decode(&j); err != nil {
		return err
	}
	result, err := j.run(ctx)
	if err != nil {
		result.Error = err.Error()
	}
	return json.NewEncoder(out).Encode(result)
}

func (j *job) run(ctx context.Context) (outcome, error) {
	client, err := driver.New(j.Client, j.Target)
	if err != nil {
		return outcome{}, err
	}
	switch j.Do {
	case kept:
		return j.kept(ctx, client)
	case cold:
		return j.cold(ctx, client)
	case twice:
		return j.twice(ctx, client)
	case large:
		return j.large(ctx, client)
	case soak:
		return j.soak(ctx, client)
	}
	return outcome{}, fmt.Errorf("nobody knows how to do %q", j.Do)
}

// opened connects, and sends the messages that are not measured.
func (j *job) opened(ctx context.Context, client driver.Driver) error {
	if err := client.Open(ctx); err != nil {
		return err
	}
	return client.Send(ctx, 0, j.Warm)
}

func (j *job) kept(ctx context.Context, client driver.Driver) (o outcome, err error) {
	began := time.Now()
	if err := j.opened(ctx, client); err != nil {
		return o, err
	}
	end, err := profile(j.Profile)
	if err != nil {
		return o, err
	}
	before := measure()
	if !j.Whole {
		began = time.Now()
	}
	if err := client.Send(ctx, j.Warm, j.Messages); err != nil {
		return o, err
	}
	o.Seconds = []seconds{time.Since(began).Seconds()}
	o.add(before, measure())
	return o, errors.Join(end(), client.Close())
}

func (j *job) cold(ctx context.Context, client driver.Driver) (o outcome, err error) {
	took, err := j.fresh(ctx, client, 0)
	o.Seconds = []seconds{took}
	if err != nil {
		return o, err
	}
	return o, client.Close()
}

// fresh sends a message over a new connection.
func (j *job) fresh(ctx context.Context, client driver.Driver, serial int) (seconds, error) {
	began := time.Now()
	err := client.Open(ctx)
	if err == nil {
		err = client.Send(ctx, serial, 1)
	}
	return time.Since(began).Seconds(), err
}

// twice has patience for so long; who hangs then is left hanging.
func (j *job) twice(ctx context.Context, client driver.Driver) (o outcome, err error) {
	type attempt struct {
		took seconds
		err  error
	}
	const mails = 2
	for serial := range mails {
		done := make(chan attempt, 1)
		go func() {
			took, err := j.fresh(ctx, client, serial)
			done <- attempt{took, err}
		}()
		select {
		case a := <-done:
			o.Seconds = append(o.Seconds, a.took)
			if a.err != nil {
				return o, a.err
			}
			if err := client.Close(); err != nil {
				return o, err
			}
		case <-time.After(time.Duration(j.Patience * float64(time.Second))):
			return o, errors.New(hangs)
		}
	}
	return o, nil
}

// hangs is the outcome of who is still at it after a time.
const hangs = "hangs"

func (j *job) large(ctx context.Context, client driver.Driver) (o outcome, err error) {
	message := letter.NewLarge(j.Size)
	if err := j.opened(ctx, client); err != nil {
		return o, err
	}
	watch, err := watchMemory()
	if err != nil {
		return o, err
	}
	end, err := profile(j.Profile)
	if err != nil {
		return o, err
	}
	before := measure()
	began := time.Now()
	err = client.SendLarge(ctx, message, j.Warm)
	o.Seconds = []seconds{time.Since(began).Seconds()}
	o.add(before, measure())
	if o.Resident, o.Heap = watch.peak(); err != nil {
		return o, err
	}
	return o, errors.Join(end(), client.Close())
}

func (j *job) soak(ctx context.Context, client driver.Driver) (o outcome, err error) {
	const quarters = 4
	if err := j.opened(ctx, client); err != nil {
		return o, err
	}
	began := time.Now()
	sent := 0
	for i := range quarters {
		upTo := j.Messages * (i + 1) / quarters
		if err := client.Send(ctx, j.Warm+sent, upTo-sent); err != nil {
			return o, err
		}
		sent = upTo
		o.Quarters = append(o.Quarters, quarter{
			Messages:   sent,
			Seconds:    time.Since(began).Seconds(),
			Heap:       live(),
			Goroutines: runtime.NumGoroutine(),
			Resident:   resident(),
		})
	}
	return o, client.Close()
}
