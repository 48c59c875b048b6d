package hash_test

import (
	"context"
	"fmt"
	"log"
	"testing"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/ext/hash"
	"github.com/floedb/floe/ext/internal/exttest"
)

// The digests are those that another implementation gives for the same text.
func TestHashes(t *testing.T) {
	c := exttest.Open(t, "hash")
	for _, test := range []struct{ call, want string }{
		{"md5(?)", "f53bfa1644e0f1514b6d2816ff9874a1"},
		{"crypto_md5(?)", "f53bfa1644e0f1514b6d2816ff9874a1"},
		{"sha1(?)", "644b71e8518bd7e3b7409fb51b53eb53be719403"},
		{"crypto_sha1(?)", "644b71e8518bd7e3b7409fb51b53eb53be719403"},
		{"sha224(?)", "f6a00871e07b1e7cb6dbe0786ca7bd5ae2222f47464c8c549e500398"},
		{"sha256(?)", "8968c716fb239760531cf2ab3f6a28f0f95c04bd8d7ffe5cec578d7e2edae06b"},
		{"crypto_sha256(?)", "8968c716fb239760531cf2ab3f6a28f0f95c04bd8d7ffe5cec578d7e2edae06b"},
		{"sha384(?)", "d8d778c890336f827442c3b6b1316553c3dd57fd5cfc10a1fdcf1da85fb8c23b08af1612b9582310a41cdddd4f98b350"},
		{"crypto_sha384(?)", "d8d778c890336f827442c3b6b1316553c3dd57fd5cfc10a1fdcf1da85fb8c23b08af1612b9582310a41cdddd4f98b350"},
		{"sha512(?)", "2d803b97503e067c67e2d8d41f45d29c6cf623b0153533f5ea41cea1391265a29fc3d8d48e56b64f6f14191106d040450a810fd1bf3e13e31a7cb29b032bdce5"},
		{"crypto_sha512(?)", "2d803b97503e067c67e2d8d41f45d29c6cf623b0153533f5ea41cea1391265a29fc3d8d48e56b64f6f14191106d040450a810fd1bf3e13e31a7cb29b032bdce5"},
		{"sha512_224(?)", "df6a34c06ae9a2620842745240719164ec59d19fb2df4f44fe00659a"},
		{"sha512_256(?)", "693817b0045256854af22a4e58b0b15ddc732e74ce367d8407afcbc49929d306"},
		{"sha3(?)", "13569494ce9bd49a2974ef564033a130d2e1c5917e1d147aa913a8c359f0cdf8"},
		{"sha3(?, 224)", "20c67d781444dc3a4e82df998e39626a055db9bda64bbc057b723af0"},
		{"sha3(?, 256)", "13569494ce9bd49a2974ef564033a130d2e1c5917e1d147aa913a8c359f0cdf8"},
		{"sha3(?, 384)", "2e805e4e37ab3e0a3ae5e5e6ab031b17c077104c45dd80e06631fb652f0a7e18b401d1ef3535e6995f3f180e55aa90a8"},
		{"sha3(?, 512)", "76e157c119e8554b7f3228cdc0722248b1e451c5a58ff7e2ddbae1609cd16ea48c2f70e8d86287353473105dbd232b09b97e0ecc97ec199d51e1c0d95890fd76"},
	} {
		exttest.Want(t, c, test.want, "SELECT lower(hex("+test.call+"))", "ice floe")
		exttest.Want(t, c, test.want, "SELECT lower(hex("+test.call+"))", []byte("ice floe"))
		exttest.Want(t, c, "blob", "SELECT typeof("+test.call+")", "")
		exttest.Want(t, c, nil, "SELECT "+test.call, nil)
	}
}

func TestChecksums(t *testing.T) {
	c := exttest.Open(t, "hash")
	// The check values of the two polynomials.
	exttest.Want(t, c, int64(0xcbf43926), "SELECT crc32('123456789')")
	exttest.Want(t, c, int64(0xe3069283), "SELECT crc32c('123456789')")
	exttest.Want(t, c, 0, "SELECT crc32('')")
	exttest.Want(t, c, nil, "SELECT crc32(NULL)")
}

func TestNumbersAreHashedAsText(t *testing.T) {
	c := exttest.Open(t, "hash")
	exttest.Want(t, c, 1, "SELECT sha256(42) = sha256('42') AND sha256(1.5) = sha256('1.5')")
}

func TestHashSizes(t *testing.T) {
	c := exttest.Open(t, "hash")
	exttest.WantError(t, c, "size 1 is none of", "SELECT sha3('', 1)")
	exttest.Want(t, c, nil, "SELECT sha3('', NULL)")
}

func Example() {
	c, err := engine.Open(":memory:", 0)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	if err := hash.Register(c); err != nil {
		log.Fatal(err)
	}
	err = c.Query(context.Background(), "SELECT lower(hex(sha1('ice floe')))", nil, func(s *engine.Stmt) error {
		fmt.Println(s.ColumnText(0))
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output: 644b71e8518bd7e3b7409fb51b53eb53be719403
}
