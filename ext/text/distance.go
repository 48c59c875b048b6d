package text

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/internal/nearest"
)

// maxDistanceLength bounds texts that are compared by character, in characters: the time is the product of the two.
const maxDistanceLength = 10_000

// twoTexts returns the arguments as characters.
func twoTexts(args []engine.Value) (s, t []rune, err error) {
	s, t = []rune(args[0].Text()), []rune(args[1].Text())
	if n := max(len(s), len(t)); n > maxDistanceLength {
		return nil, nil, fmt.Errorf("a text of %d characters is too long to compare: the most is %d", n, maxDistanceLength)
	}
	return s, t, nil
}

func sqlLevenshtein(ctx *engine.FuncContext, args []engine.Value) error {
	s, t, err := twoTexts(args)
	if err != nil {
		return err
	}
	ctx.ResultInt64(int64(nearest.Distance(s, t)))
	return nil
}

func sqlSimilarity(ctx *engine.FuncContext, args []engine.Value) error {
	ctx.ResultFloat(similarity(args[0].Text(), args[1].Text()))
	return nil
}

func similarity(s, t string) float64 {
	a, b := trigrams(s), trigrams(t)
	shared := 0
	for g := range a {
		if b[g] {
			shared++
		}
	}
	all := len(a) + len(b) - shared
	if all == 0 {
		return 0
	}
	return float64(shared) / float64(all)
}

// trigrams returns the groups of three characters of the words of s, in small letters, each word with two spaces
// before it and one behind it.
func trigrams(s string) map[[3]rune]bool {
	groups := make(map[[3]rune]bool)
	for _, word := range strings.FieldsFunc(s, func(r rune) bool { return !isWord(r) }) {
		group := [3]rune{' ', ' ', ' '}
		for _, r := range word + " " {
			group = [3]rune{group[1], group[2], unicode.ToLower(r)}
			groups[group] = true
		}
	}
	return groups
}

func sqlJaroWinkler(ctx *engine.FuncContext, args []engine.Value) error {
	s, t, err := twoTexts(args)
	if err != nil {
		return err
	}
	ctx.ResultFloat(jaroWinkler(s, t))
	return nil
}

// jaroWinkler brings the Jaro similarity nearer to 1 by a tenth for each of the first characters that are the same, up
// to four.
func jaroWinkler(s, t []rune) float64 {
	j := jaro(s, t)
	same := 0
	for same < min(4, len(s), len(t)) && s[same] == t[same] {
		same++
	}
	return j + float64(same)/10*(1-j)
}

// jaro counts the characters that are in both texts, not farther apart than half of the longer one, and how many of
// those are in another order.
func jaro(s, t []rune) float64 {
	if len(s) == 0 && len(t) == 0 {
		return 1
	}
	common, of := matches(s, t)
	n := float64(len(common))
	if n == 0 {
		return 0
	}
	moved := 0
	for i := range common {
		if common[i] != of[i] {
			moved++
		}
	}
	return (n/float64(len(s)) + n/float64(len(t)) + (n-float64(moved/2))/n) / 3
}

// matches returns the characters that match, in the order of s and in that of t.
func matches(s, t []rune) (inS, inT []rune) {
	reach := max(max(len(s), len(t))/2-1, 0)
	taken := make([]bool, len(t))
	for i, r := range s {
		for j := max(i-reach, 0); j < min(i+reach+1, len(t)); j++ {
			if !taken[j] && t[j] == r {
				taken[j] = true
				inS = append(inS, r)
				break
			}
		}
	}
	for j, r := range t {
		if taken[j] {
			inT = append(inT, r)
		}
	}
	return inS, inT
}
