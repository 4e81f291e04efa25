package internal_test

import (
	_ "github.com/rogpeppe/go-internal/txtar"
	_ "github.com/stretchr/testify/require"
	_ "go.uber.org/goleak"
)
