// Package auth proves who is submitting.
package auth
