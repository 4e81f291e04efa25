package oauth2token_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/mailport/mailport/auth/oauth2token"
)

// RFC 9700, section 4.14.2: an access token of another type is of no use, but the
// refresh token that came along has replaced the old one, which must not be shown again.
func TestOtherTypeBringsRefreshToken(t *testing.T) {
	a := newAuthority(t, nil)
	a.issues("DPoP")
	var saved []string
	tokens := oauth2token.Refresh(a.ctx(t), a.config(), a.expired(), func(t *oauth2.Token) { saved = append(saved, t.RefreshToken) })
	for range 2 { // a failure is not kept
		_, err := tokens(t.Context(), "")
		require.EqualError(t, err, "token is of type DPoP, and mail servers take bearer tokens (RFC 6750)")
	}
	a.issues("bearer")
	token, err := tokens(t.Context(), "")
	require.NoError(t, err)
	require.Equal(t, "AccessToken-4-0123456789", token)
	require.Equal(t, []string{refreshToken(2), refreshToken(3), refreshToken(4)}, saved)
	require.Equal(t, 3, a.asked())
}

// Nor is one shown that was saved.
func TestSavedOfOtherType(t *testing.T) {
	a := newAuthority(t, nil)
	saved := a.grant()
	saved.TokenType = "DPoP"
	token, err := oauth2token.Refresh(a.ctx(t), a.config(), saved, nil)(t.Context(), "")
	require.NoError(t, err)
	require.Equal(t, "AccessToken-2-0123456789", token)

	saved.RefreshToken = ""
	_, err = oauth2token.Refresh(a.ctx(t), a.config(), saved, nil)(t.Context(), "")
	require.ErrorIs(t, err, oauth2token.ErrGrant)
}

// Whatever the endpoint quotes, an access token of no use is a secret as well.
func TestOtherTypeIsNotPrinted(t *testing.T) {
	a := newAuthority(t, nil)
	a.issues("DPoP")
	tokens := oauth2token.Refresh(a.ctx(t), a.config(), a.expired(), nil)
	_, err := tokens(t.Context(), "")
	require.ErrorContains(t, err, "DPoP")
	a.answers(func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusBadRequest, "x", "AccessToken-2-0123456789 "+refreshToken(2))
	})
	_, err = tokens(t.Context(), "")
	require.ErrorContains(t, err, "x: *** ***")
	requireClean(t, printed(err), []string{"0123456789"})
}
