package main

import (
	"crypto/rand"
	"fmt"
	"strings"
	"time"
)

// message is complete, and short.
func message(from string, to []string) []byte {
	domain := from[strings.LastIndex(from, "@")+1:]
	return fmt.Appendf(nil, "From: <%s>\r\nTo: <%s>\r\nDate: %s\r\nMessage-ID: <%s@%s>\r\n"+
		"Subject: with a client certificate\r\n\r\nNo password was needed.\r\n",
		from, strings.Join(to, ">,\r\n\t<"), time.Now().Format(time.RFC1123Z), rand.Text(), domain)
}
