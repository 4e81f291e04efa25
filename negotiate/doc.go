// Package negotiate decides how to reach a submission server.
package negotiate
