package main

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMedian(t *testing.T) {
	require.InDelta(t, 2, median([]float64{9, 1, 2}), 0)
	require.InDelta(t, 1.5, median([]float64{9, 1, 2, 0}), 0)
	require.True(t, math.IsNaN(median(nil)))
}

func TestNumbers(t *testing.T) {
	for want, got := range map[string]string{
		"1.23 µs":   took(1.234e-6),
		"12.3 ms":   took(12.34e-3),
		"123 s":     took(123.4),
		"-":         took(math.NaN()),
		"6.90 x":    times(6.9),
		"10482 x":   times(10482.3),
		"0.0007":    roundTrips(14e-6, 20*time.Millisecond),
		"1.06":      roundTrips(106e-3, 100*time.Millisecond),
		"200.0 MiB": mebibytes(200 << 20),
	} {
		require.Equal(t, want, got)
	}
	require.Equal(t, none, times(math.Inf(1)))
	require.Equal(t, none, mebibytes(math.NaN()))
}

func TestTable(t *testing.T) {
	table := table{title: "(x) Times", head: []string{"client", "time"}, notes: []string{"A note."}}
	table.add("net/smtp", "1 µs")
	table.add("x", "100 µs")
	require.Equal(t, "\n(x) Times\n---------\nclient      time\nnet/smtp    1 µs\nx         100 µs\nA note.\n", table.text())
	require.Equal(t, "\n### (x) Times\n\n| client | time |\n| --- | ---: |\n| net/smtp | 1 µs |\n| x | 100 µs |\n\nA note.\n",
		table.markdown())
}

func TestFlags(t *testing.T) {
	o, err := parse(nil)
	require.NoError(t, err)
	require.Len(t, o.parts, len(parts))
	o, err = parse([]string{"-quick", "-only", "a,cold", "-messages", "5000", "-large", "3", "-format", "markdown"})
	require.NoError(t, err)
	require.Equal(t, []string{"kept", "cold"}, []string{o.parts[0].name, o.parts[1].name})
	require.Equal(t, 5000, o.messages)
	require.Equal(t, 3<<20, o.large)
	require.Equal(t, 1, o.rounds)
	require.True(t, o.markdown)
	for _, args := range [][]string{{"-only", "z"}, {"-format", "pdf"}, {"-quick", "left"}} {
		_, err := parse(args)
		require.ErrorContains(t, err, args[1])
	}
}
