# The extension's script is safe to run as a superuser in a database where
# others may create objects, and under any setting of the session.

use strict;
use warnings FATAL => 'all';

use Test::More;

my ($version) = slurp('io_msg.control') =~ /default_version *= *'([^']+)'/;
my $script = slurp('sql/io_msg.sql') =~ s/^\\ir +(\S+)/slurp("sql\/$1")/germ;

sub slurp
{
	my ($path) = @_;
	local $/;

	open(my $fh, '<', $path) or die "$path: $!\n";
	return scalar <$fh>;
}

# Lines of the script, without comments, that match.
sub lines_like
{
	my ($pattern) = @_;
	my $code = $script =~ s{/\*.*?\*/}{}grs;

	return join '', grep { $_ =~ $pattern } map { "$_\n" } split /\n/, $code;
}

my @functions = $script =~ /^(CREATE (?:OR REPLACE )?(?:FUNCTION|PROCEDURE)\b.*?(?:^\$\$;|[^;]*?;\n(?=\n|REVOKE|COMMENT|CREATE|\/\*)))/gmsi;
my $created = () = $script =~ /^CREATE (?:OR REPLACE )?(?:FUNCTION|PROCEDURE)/gm;
cmp_ok($created, '>', 30, 'there are functions to look at');
is(scalar(@functions), $created, 'and each is');

# What exists already must not become a part of the extension.
is(lines_like(qr/CREATE\s+OR\s+REPLACE|^\s*(?:CREATE|ALTER)\b.*IF\s+NOT\s+EXISTS/i), '', 'nothing is taken over or passed by');
# What is not there is no part of it either.
is(lines_like(qr/\bDROP\b(?!.*\bEXTENSION\b).*\bIF\s+EXISTS/i), '', 'nothing is dropped that may be another\'s');
# A text in which a name could end the quotes.
is(lines_like(qr/'[^']*\@extschema[^']*'|\$\$.*\@extschema/), '', 'no name is put into quotes');
# With standard_conforming_strings off a backslash is another text.
is(lines_like(qr/(?<![Ee])'(?:[^'\\]|'')*\\(?:[^']|'')*'/), '', 'no text has a backslash');

my (@open, @unsafe, @kept);
foreach my $function (@functions)
{
	my ($name) = $function =~ /(?:FUNCTION|PROCEDURE)\s+([\w.]+)/;
	my ($head) = $function =~ /\A(.*?)(?:^AS \$\$|\bAS \$\$|\bAS ')/ms;
	my $is_c = $function =~ /LANGUAGE\s+C\b/i;

	push @unsafe, $name
	  if ((!$is_c || $function =~ /SECURITY\s+DEFINER/i)
		&& ($head // $function) !~ /SET search_path = pg_catalog, pg_temp/);
	push @open, $name unless $script =~ /REVOKE\s+ALL\s+ON\s+(?:ALL FUNCTIONS|FUNCTION[^;]*\b\Q$name\E\b)/i;
	push @kept, $name if $function =~ /SECURITY\s+DEFINER/i && $function =~ /\bEXECUTE\b(?!\s+FUNCTION)/ && $function !~ /format\(/;
}
is(join(' ', @unsafe), '', 'each function of SQL has a fixed search_path');
is(join(' ', @open), '', 'each is taken from PUBLIC');
is(join(' ', @kept), '', 'no definer\'s function runs what it is given');

# No personal column in a constraint, whose violation would show the value.
is(lines_like(qr/^\s*(?:fiscal_code|subject|body|markdown)\b.*(?:CHECK|UNIQUE)/i), '', 'no constraint on personal data');
is($script =~ /ENABLE ALWAYS TRIGGER/ ? 1 : 0, 1, 'what is never changed is not changed under session_replication_role either');
ok(defined $version, "of version " . ($version // '?'));
done_testing();
