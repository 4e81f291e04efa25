// Package submit hands messages to a mail submission server.
package submit
