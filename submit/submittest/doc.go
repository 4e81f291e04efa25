// Package submittest provides a submission server for tests, and a recorder for
// tests that need none.
//
// To test your mailer in five lines, against a real server with real TLS:
//
//	server := submittest.NewServer(t)
//	mailer := NewMailer(server.Config()) // what takes a submit.Config in your program
//	err := mailer.Welcome(t.Context(), "you@example.net")
//	require.NoError(t, err)
//	require.Contains(t, string(server.Messages()[0].Data), "Welcome")
//
// Use [Recorder] instead where a [submit.Submitter] is enough: it does without
// network, TLS and SMTP.
//
// # The server
//
// A [Server] listens on two ports of the loopback interface, one with TLS from
// the first byte (465) and one with STARTTLS (587), with a certificate of an
// authority of its own. It speaks SMTP with go-smtp's server, behind a part that
// sees to TLS, to extensions, to faults and to the record. It shares no parser
// with package submit.
//
// It is a strict server: it wants CRLF, no pipelining that it did not offer, no
// parameter whose extension it did not offer, and TLS where it can be had. It
// announces most of what a submission server can; [Server].Without takes away.
//
// [Server.Messages] says what it took, [Server.Conversation] who said what, and
// [Server.Attempts] how often someone tried to authenticate. A test that fails
// logs the conversation.
//
// Programs use it without package testing:
//
//	server := &submittest.Server{Users: map[string]string{"me": "secret"}}
//	if err := server.Start(); err != nil {
//		log.Fatal(err)
//	}
//	defer server.Close()
//
// # In a bubble
//
// Give the server listeners of a network in memory, and it works in a
// [testing/synctest] bubble: it uses no clock, and no goroutine of its own
// outlives [Server.Close], which [NewServer] calls when the test ends.
//
// # Authentication
//
// [Server].Users are who may submit, and [Server].Mechanisms how they prove it;
// without a list it is PLAIN and LOGIN. The server knows these:
//
//	SCRAM-SHA-512-PLUS, SCRAM-SHA-256-PLUS, SCRAM-SHA-1-PLUS, SCRAM-SHA-512,
//	SCRAM-SHA-256, SCRAM-SHA-1    RFC 5802, RFC 7677
//	PLAIN                         RFC 4616
//	LOGIN                         draft-murchison-sasl-login
//	CRAM-MD5                      RFC 2195
//	OAUTHBEARER                   RFC 7628
//	XOAUTH2                       what Google and Microsoft had before
//	EXTERNAL                      RFC 4422, appendix A
//
// More about them:
//
//   - What ends in -PLUS is bound to the connection, by tls-exporter (RFC 9266)
//     with TLS 1.3 and by tls-unique (RFC 5929) with TLS 1.2.
//   - SCRAM asks for 4096 iterations, and says why it refuses where RFC 5802,
//     section 7, has it: in a last challenge, before the 535. A user who does not
//     exist is refused like a wrong password.
//   - The token of OAUTHBEARER and XOAUTH2 is the user's password. To have it
//     expire or revoked, give the user another one with [Server.SetUsers]: the
//     next client that shows the old one gets an error in JSON, then a 535.
//   - EXTERNAL asks for a client certificate, and takes the client for the
//     common name in it: [Server.ClientCertificate] makes one. The user has to be
//     among Users, with any password.
//   - To see what a client does when somebody takes the -PLUS out of the list,
//     put "AUTH" into Without and "AUTH SCRAM-SHA-256" into With.
//
// # Faults
//
// A [Fault] is an [Action] in a phase of the session. These are possible:
//
//	phase        faults
//	-----------  -----------------------------------------------------------------
//	resolve      Refuse (no such host), RefuseTemporarily (name server fails),
//	             Stall
//	connect      Refuse (connection refused), RefuseTemporarily (network
//	             unreachable), Stall (no packet comes back), Hangup (at once),
//	             OtherMode
//	handshake    Refuse, RefuseTemporarily (alerts), Stall, Hangup, Garbage
//	             (cleartext instead of TLS), WrongName, Expired, Untrusted
//	greeting     Refuse (554), RefuseTemporarily (421), Stall, Hangup, Garbage,
//	             Retire
//	hello        Refuse (550), RefuseTemporarily (421), Stall, Hangup, Garbage,
//	             Strip, Retire
//	starttls     Refuse (502), RefuseTemporarily (454), Stall, Hangup, Garbage,
//	             Inject
//	hello again  as hello
//	auth         Refuse (535), RefuseTemporarily (454), Stall, Hangup, Garbage,
//	             Accept, Retire, and the cheats below
//	sender       Refuse (550), RefuseTemporarily (451), Stall, Hangup, Garbage,
//	             Retire
//	recipient    Refuse (550), RefuseTemporarily (450), Stall, Hangup, Garbage,
//	             Retire
//	data         Refuse (554), RefuseTemporarily (451), Stall, Hangup, Garbage
//	body         Refuse (552, then closes), RefuseTemporarily (452, then closes),
//	             Stall (does not read either), Hangup, Garbage
//	verdict      Refuse (554), RefuseTemporarily (451), Stall, Hangup, Garbage,
//	             Swallow, Retire
//
// Anything else, [Server.Start] refuses. In phase auth the server can cheat, too;
// what SCRAM alone knows does not apply to a server without it, nor happens to a
// client that uses another mechanism:
//
//	cheat           mechanisms   what the server does
//	--------------  -----------  -------------------------------------------------
//	AcceptEarly     any          says 235 to the first response, whatever it is
//	AskForever      any          asks on, with Text, where the outcome should be
//	IgnoreCancel    any          likewise, and if the client cancels with "*"
//	NotBase64       any          says 334 and Text, which is no base64
//	HugeChallenge   any          says 334 and a line of more than 12288 octets
//	SkipSignature   SCRAM        takes any proof, and says 235 without "v="
//	WrongSignature  SCRAM        takes any proof, and gives a wrong "v="
//	SignLate        SCRAM        gives "v=" in the 235, as some real servers do
//	ShortNonce      SCRAM        adds nothing to the client's nonce
//	OtherNonce      SCRAM        comes with a nonce that is not the client's
//	FewIterations   SCRAM        asks for one iteration
//	ManyIterations  SCRAM        asks for 2147483648 iterations
//	OtherBinding    SCRAM -PLUS  sees another connection than the client
//
// A client that falls for one of them and goes on finds an exchange in good order,
// as far as there can be one, and its message among [Server.Messages].
//
// More about faults:
//
//   - Faults of resolve and connect, but for Hangup and OtherMode, happen to
//     connections through [Server.Config]. Who dials the port otherwise is not
//     concerned.
//   - A refused command is not carried out. At 421 and in a body the connection
//     ends; after a refused greeting nothing is in order but QUIT.
//   - Code can be any: with Refuse at starttls and 354, say.
//   - Garbage stands in the place of a reply, and the conversation goes on.
//     Text makes the server speak something else: "* OK IMAP4rev1 ready".
//   - With Stall, Hangup and Garbage at the verdict the message has been taken,
//     which the client cannot know; with [Fault].Lose it has not.
//   - data is DATA, or the first BDAT of a message; body begins with the first
//     octet of the message that comes.
//   - With Strip at hello the server does not know TLS, and offers AUTH in
//     cleartext, to see who falls for it.
//   - Swallow is for clients that send the next message's commands together with
//     the end of a message: some real servers lose them.
package submittest
