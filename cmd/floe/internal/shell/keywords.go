package shell

import "strings"

// keywords are those of SQLite: https://sqlite.org/lang_keywords.html
var keywords = wordSet(`ABORT ACTION ADD AFTER ALL ALTER ALWAYS ANALYZE AND AS ASC ATTACH AUTOINCREMENT BEFORE BEGIN
	BETWEEN BY CASCADE CASE CAST CHECK COLLATE COLUMN COMMIT CONFLICT CONSTRAINT CREATE CROSS CURRENT CURRENT_DATE
	CURRENT_TIME CURRENT_TIMESTAMP DATABASE DEFAULT DEFERRABLE DEFERRED DELETE DESC DETACH DISTINCT DO DROP EACH ELSE
	END ESCAPE EXCEPT EXCLUDE EXCLUSIVE EXISTS EXPLAIN FAIL FILTER FIRST FOLLOWING FOR FOREIGN FROM FULL GENERATED GLOB
	GROUP GROUPS HAVING IF IGNORE IMMEDIATE IN INDEX INDEXED INITIALLY INNER INSERT INSTEAD INTERSECT INTO IS ISNULL
	JOIN KEY LAST LEFT LIKE LIMIT MATCH MATERIALIZED NATURAL NO NOT NOTHING NOTNULL NULL NULLS OF OFFSET ON OR ORDER
	OTHERS OUTER OVER PARTITION PLAN PRAGMA PRECEDING PRIMARY QUERY RAISE RANGE RECURSIVE REFERENCES REGEXP REINDEX
	RELEASE RENAME REPLACE RESTRICT RETURNING RIGHT ROLLBACK ROW ROWS SAVEPOINT SELECT SET TABLE TEMP TEMPORARY THEN
	TIES TO TRANSACTION TRIGGER UNBOUNDED UNION UNIQUE UPDATE USING VACUUM VALUES VIEW VIRTUAL WHEN WHERE WINDOW WITH
	WITHOUT`)

// functions are those that every SQLite has, for a database that does not tell its own.
var functions = wordSet(`abs avg ceil changes char coalesce concat concat_ws count cume_dist date datetime dense_rank exp
	first_value floor format glob group_concat hex ifnull iif instr json json_array json_array_length json_each
	json_extract json_group_array json_group_object json_insert json_object json_patch json_quote json_remove
	json_replace json_set json_tree json_type json_valid julianday lag last_insert_rowid last_value lead length like ln
	log lower ltrim max min mod nth_value ntile nullif percent_rank pow printf quote random randomblob rank replace
	round row_number rtrim sign sqlite_version sqrt strftime string_agg substr substring sum time timediff total
	total_changes trim typeof unicode unhex unixepoch upper zeroblob`)

func wordSet(list string) map[string]struct{} {
	set := make(map[string]struct{})
	for word := range strings.FieldsSeq(list) {
		set[word] = struct{}{}
	}
	return set
}
