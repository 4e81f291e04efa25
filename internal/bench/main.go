// Command bench measures how many round trips, how much processor time and how
// much memory mailport takes to submit mail, beside other clients and beside what
// can be done at all. README.md explains the tables.
//
//	go run .                  all tables, in less than half an hour
//	go run . -quick           the same with smaller numbers, in a minute
//	go run . -only a,cold     some of them, by letter or by name
//
// Other flags:
//
//	-messages N               of the fastest clients in a round; default 20000 without
//	                          delay, and 8000 with it
//	-format text|markdown     default text
//	-cpuprofile FOLDER        where each measurement's profile goes; the numbers suffer
//	-large N                  MiB of the large message; default 200
//
// It needs Linux. It talks to itself alone, over the loopback interface, but for
// nodemailer, which npm fetches into a temporary folder where Node.js is present.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	played, err := play(ctx)
	if !played {
		err = run(ctx, os.Args[1:], os.Stdout, func(doing string) { fmt.Fprintln(os.Stderr, "..", doing) })
	}
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

// A part of the benchmark makes one or more tables.
type part struct {
	letter, name string
	run          func(*runner, context.Context) ([]table, error)
}

var parts = [...]part{
	{"a", "kept", (*runner).kept},
	{"b", "cold", (*runner).cold},
	{"c", "first", (*runner).first},
	{"d", "cpu", (*runner).cpu},
	{"e", "large", (*runner).largest},
	{"f", "many", (*runner).several},
	{"g", "soak", (*runner).soaked},
}

// options are what the command line says.
type options struct {
	scale
	parts    []part
	markdown bool
	profiles string
}

func parse(args []string) (o options, err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	only := flags.String("only", "", "letters or names of `tables`, separated by commas; default all")
	fast := flags.Bool("quick", false, "smaller numbers, in a minute")
	messages := flags.Int("messages", 0, "`number` of messages of the fastest clients in a round")
	mebibytes := flags.Int("large", 0, "`MiB` of the large message")
	flags.StringVar(&o.profiles, "cpuprofile", "", "`folder` for a profile of each measurement of (a), (d), (e) and (f)")
	format := flags.String("format", "text", "`text` or markdown")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	o.scale = full()
	if *fast {
		o.scale = quick()
	}
	if *messages > 0 {
		o.messages, o.far = max(*messages, 200), *messages
	}
	if *mebibytes > 0 {
		o.large = *mebibytes << 20
	}
	switch *format {
	case "markdown":
		o.markdown = true
	case "text":
	default:
		return o, fmt.Errorf("-format %s: there are text and markdown", *format)
	}
	if o.parts, err = choose(*only); err == nil && flags.NArg() > 0 {
		err = fmt.Errorf("%q is no flag", flags.Arg(0))
	}
	return o, err
}

// choose returns the parts with these names, in their order.
func choose(names string) (chosen []part, err error) {
	if names == "" {
		return parts[:], nil
	}
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(parts[:], func(p part) bool { return name == p.letter || name == p.name })
		if i < 0 {
			return nil, fmt.Errorf("-only %s: no table has that name", name)
		}
		chosen = append(chosen, parts[i])
	}
	return chosen, nil
}

// run makes the tables, and tells what it is doing.
func run(ctx context.Context, args []string, out io.Writer, tell func(string)) (err error) {
	o, err := parse(args)
	if err != nil {
		return err
	}
	r := &runner{scale: o.scale, tell: tell, profiles: o.profiles}
	nodes := nodemailer + " " + nodemailerVersion
	if r.node, err = fetchNodemailer(ctx); err != nil {
		nodes = fmt.Sprintf("without %s: %v", nodemailer, err)
		r.without = []string{nodemailer}
	} else {
		defer func() { err = errors.Join(err, r.node.remove()) }()
	}
	if r.stage, err = openStage(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.stage.Close()) }()
	if _, err := fmt.Fprintln(out, strings.Join(machine(nodes), "\n")); err != nil {
		return err
	}
	return r.print(ctx, o, out)
}

func (r *runner) print(ctx context.Context, o options, out io.Writer) error {
	for _, p := range o.parts {
		tables, err := p.run(r, ctx)
		if err != nil {
			return fmt.Errorf("table (%s): %w", p.letter, err)
		}
		for _, t := range tables {
			text := t.text()
			if o.markdown {
				text = t.markdown()
			}
			if _, err := io.WriteString(out, text); err != nil {
				return err
			}
		}
	}
	return nil
}
