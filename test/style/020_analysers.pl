# cppcheck and clang-tidy find nothing in the extension and in the sandbox.

use strict;
use warnings FATAL => 'all';

use File::Temp qw(tempdir);
use Test::More;

sub has { return system("command -v $_[0] >/dev/null 2>&1") == 0; }

my $pg_config = $ENV{PG_CONFIG} || 'pg_config';
my @extension = split ' ', `ls src/*.c src/core/*.c 2>/dev/null`;
my @sandbox = split ' ', `ls sandbox/*.c 2>/dev/null`;

cmp_ok(scalar(@extension), '>', 0, 'there is code to look at');

# What the compiler gets for the extension, less what needs quotes.
chomp(my @flags = `make -s PG_CONFIG='$pg_config' print-cflags`);
my $extension_flags = join ' ', '-DIOMSG_VERSION=__FILE__',
  grep { /^-[ID]/ && !/["'(]/ } @flags;
chomp(my $library_flags = `pkg-config --cflags libmicrohttpd jansson`);
my $sandbox_flags = "-Isandbox -D_GNU_SOURCE $library_flags";

# What the headers' checks of versions are to see.
my ($major) = `'$pg_config' --version` =~ /(\d+)/;
chomp(my $curl = `curl-config --vernum`);
my $versions = "-DPG_VERSION_NUM=${major}0000 -DLIBCURL_VERSION_NUM=0x$curl";

SKIP:
{
	skip 'no cppcheck', 1 unless has('cppcheck');
	my $cppcheck = 'cppcheck --quiet -j2 --std=c11 --inline-suppr '
	  . '--enable=warning,performance,portability '
	  . "--suppress=missingInclude --suppress=missingIncludeSystem --suppress='*:/usr/*' "
	  . "--template='{file}:{line}: {severity}: {message} [{id}]'";

	my $loops = join ' ', map { "'-D$_(i,l)=if(l)'" } qw(dlist_foreach dlist_foreach_modify);

	is(`$cppcheck -Isrc $loops -DPG_MODULE_MAGIC= '-DPG_FUNCTION_INFO_V1(x)=' -DPGDLLEXPORT= -DIOMSG_VERSION=__FILE__ $versions @extension 2>&1`,
		'', 'cppcheck on the extension');
	is(`$cppcheck -Isandbox @sandbox 2>&1`, '', 'cppcheck on the sandbox')
	  if @sandbox;
}

# Checks left out: pairs of parameters that could be swapped are common in C;
# memcpy is C's way; assignments in conditions, branches that do the same, and
# macros that take types and narrow are PostgreSQL's.
my $checks = join ',', '-*', 'clang-analyzer-*', 'bugprone-*',
  '-clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling',
  map { "-bugprone-$_" } qw(easily-swappable-parameters
  assignment-in-if-condition macro-parentheses narrowing-conversions
  reserved-identifier branch-clone suspicious-include
  implicit-widening-of-multiplication-result);

# Two at a time; what each says goes to a file of its own.
sub tidy
{
	my ($flags, @sources) = @_;
	my $out = tempdir(CLEANUP => 1);
	my $script = "mkdir -p \$(dirname $out/{}); "
	  . "clang-tidy --quiet --checks=$checks {} -- -std=gnu11 $flags "
	  . ">$out/{} 2>$out/{}.err";

	open(my $queue, '|-', 'xargs', '-P', '2', '-I', '{}', 'sh', '-c', $script)
	  or die "xargs: $!\n";
	print $queue "$_\n" foreach @sources;
	close($queue);
	foreach my $file (@sources)
	{
		open(my $fh, '<', "$out/$file") or die "$out/$file: $!\n";
		is(join('', grep { /(warning|error):/ } <$fh>),
			'', "clang-tidy on $file");
	}
	return;
}

SKIP:
{
	skip 'no clang-tidy', 1 unless has('clang-tidy');
	tidy($extension_flags, @extension);
	tidy($sandbox_flags, @sandbox) if @sandbox;
}

done_testing();
