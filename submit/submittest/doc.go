// Package submittest provides a submission server for tests.
package submittest
