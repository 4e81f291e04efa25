package oauth2token

import (
	"context"

	"golang.org/x/oauth2"

	"github.com/mailport/mailport/auth"
)

// Source returns the tokens of source. A source that keeps its tokens until they
// expire, as most do, cannot be told that one of them was refused: it returns that one
// again, and the refusal stands until it expires. [Refresh], [ClientCredentials] and
// [Fetch] are better off.
//
// Source is never asked twice at a time. It knows no context: whose ends stops waiting,
// and source goes on for as long as it likes.
func Source(source oauth2.TokenSource) auth.TokenSource {
	k := &keeper{ctx: context.Background(), forgets: true}
	k.fetch = func(context.Context, *oauth2.Token) (*oauth2.Token, error) {
		token, err := source.Token()
		if err != nil {
			return nil, explain(context.Background(), err, "")
		}
		return token, nil
	}
	return k.source
}
