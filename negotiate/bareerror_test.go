package negotiate_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/negotiate"
)

// Errors that a program made itself, of as little as it likes, can be printed.
func TestBareErrors(t *testing.T) {
	require.Equal(t, "memory /a/b: read: failed", (&negotiate.MemoryError{Path: "/a/b", Op: "read"}).Error())
	require.Equal(t, negotiate.SourceSRV.String()+": failed", (&negotiate.SourceError{Source: negotiate.SourceSRV}).Error())
	require.NotEmpty(t, new(negotiate.MemoryError).Error())
	require.NotEmpty(t, new(negotiate.SourceError).Error())
	require.NotEmpty(t, (&negotiate.DiscoveryError{Sources: []negotiate.SourceError{{}}}).Error())
}
