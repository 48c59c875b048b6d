// Package nearest finds the word that was meant by one that there is not.
package nearest

import (
	"cmp"
	"slices"
)

// Word returns the one of the known words that is nearest to word, the first by the alphabet of several, and "" if none
// is known. Upper case and lower case are different letters.
func Word(word string, known []string) string {
	if len(known) == 0 {
		return ""
	}
	w := []rune(word)
	return slices.MinFunc(known, func(a, b string) int {
		return cmp.Or(cmp.Compare(Distance(w, []rune(a)), Distance(w, []rune(b))), cmp.Compare(a, b))
	})
}

// Distance is how many elements have to be added, removed or replaced to make b of a: the distance of Levenshtein. It
// takes memory for one row of the table of distances between the beginnings of a and those of b.
func Distance[T comparable](a, b []T) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j := range b {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
