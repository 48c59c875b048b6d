package sqldtest

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Claim is one claim of a token. The server knows "id" (the only namespace the token is good for), "a" (the access,
// "rw" or "ro"), "p" (a set of permissions) and "exp".
type Claim struct {
	Name  string
	Value any // anything encoding/json encodes
}

// ReadOnly is the claim of a token that may not write.
func ReadOnly() Claim { return Claim{"a", "ro"} }

// ForNamespace is the claim of a token that is good for one namespace only.
func ForNamespace(name string) Claim { return Claim{"id", name} }

// Expires is the claim of a token that is good until at, to the second.
func Expires(at time.Time) Claim { return Claim{"exp", at.Unix()} }

// Token signs a token that the server accepts, with full access unless a claim says otherwise. It is empty on a
// server without [WithJWT].
func (s *Server) Token(claims ...Claim) string {
	if s.key == nil {
		return ""
	}
	return SignToken(s.key, claims...)
}

// SignToken signs a token with a key of the caller's, such as one that the server does not know. It panics on a
// claim that cannot be encoded, as a test's own mistake.
func SignToken(key ed25519.PrivateKey, claims ...Claim) string {
	payload := make(map[string]any, len(claims))
	for _, c := range claims {
		payload[c.Name] = c.Value
	}
	signed := encodeJSON(map[string]any{"alg": "EdDSA", "typ": "JWT"}) + "." + encodeJSON(payload)
	return signed + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(key, []byte(signed)))
}

func encodeJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

func newKey(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatalf("generate a key for tokens: %v", err)
	}
	return key
}

// writeKeyFile writes the public half of key where the server reads it, outside the directory that Wipe deletes.
func writeKeyFile(t testing.TB, key ed25519.PrivateKey) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "jwt.pub")
	public := key.Public().(ed25519.PublicKey)
	if err := os.WriteFile(path, []byte(base64.RawURLEncoding.EncodeToString(public)), 0o600); err != nil {
		t.Fatalf("write the key for tokens: %v", err)
	}
	return path
}
