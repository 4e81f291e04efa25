// Package interop holds mailport against real mail servers: Postfix, Exim,
// OpenSMTPD and Dovecot's submission service, each over both transports.
//
// It has tests only, and they stand behind a build tag, since they need a Linux
// machine, root, and the Debian mirror that apt knows:
//
//	go test -count=1 -timeout 20m -tags interop ./internal/interop/...
//
// Where the servers cannot be had the test says why. It fails there if CI=true,
// and is skipped otherwise.
//
// # How it is done
//
// The packages are those of one Debian release. They exclude one another, so they
// are not installed: apt downloads them and what they need, and they are unpacked
// side by side into a temporary folder, which needs no more than apt-get and dpkg
// of the machine that it runs on. Each server then lives in a box: a root of its
// own, made of hard links to that folder, with namespaces of its own for mounts,
// processes and the host's name. Its first process reads commands from a pipe of
// the test's. When the pipe breaks, for whatever reason, that process ends, and the
// kernel ends all others in the box. A shell outside waits for the same thing, and
// removes the folder.
//
// The servers listen on the loopback interface, on ports that were free. Their
// configuration is below testdata: a tree for each, put into the root of its box
// file by file, each file a template. Every message that any test submits is
// entered in a ledger, and in the end the mailboxes are held against it: what was
// taken is there, once for each recipient, octet for octet, and under the name in the
// queue that its receipt tells; what was refused is not.
//
// As many servers are tried at a time as there are processors. All of it is some 200
// seconds of a processor's work. While it is stopped and started, Postfix gets 10,000
// messages, Dovecot 2,000, and Exim and OpenSMTPD 1,500: these start a process for each
// message that they deliver, and that costs as much.
//
// # Flags and variables
//
//	-packages DIR            keep what was downloaded there, for the next time
//	-record DIR              write a transcript for each server there
//	-messages N              how many messages a server gets while it is stopped and started
//	MAILPORT_INTEROP_MATRIX  a file to write the matrix of what was tried to, in Markdown
//
// The matrix is printed too, which go test shows with -v.
//
// # Transcripts of real servers
//
// With -record a proxy stands between client and server. It ends TLS on both sides
// and writes down what it passes on, line by line, in the form that package script
// plays. Two things are changed, before the client sees them and not only in the
// file: of the mechanisms that the server offers PLAIN and LOGIN remain, since no
// others can be played again, and CHUNKING is as the server offers it. In the file
// the account and the password are "me" and "sesame", and of a message there are
// its few lines. The queue's names and the time of day are the server's, so a
// transcript that is recorded anew differs in these.
//
// To have it played everywhere, copy it to submit/testdata/transcripts under a name
// that begins with "real-", and let that package's test write what is wanted:
//
//	go test -tags interop -run 'TestServers/.*/record' ./internal/interop -record /tmp/recorded
//	cp /tmp/recorded/real-*.txt submit/testdata/transcripts
//	go test ./submit -run TestTranscripts -update
package interop
