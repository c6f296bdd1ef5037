# The extension, the sandbox and the unit tests compile in silence with gcc
# and with clang, warnings being errors; the formatting is pg_bsd_indent's.

use strict;
use warnings FATAL => 'all';

use File::Temp qw(tempdir);
use Test::More;

sub has { return system("command -v $_[0] >/dev/null 2>&1") == 0; }

my $dir = tempdir(CLEANUP => 1);
my $pg = $ENV{PG_CONFIG} ? "PG_CONFIG='$ENV{PG_CONFIG}'" : '';

# Each compiler works on a copy, so that objects do not mix.
sub compiles
{
	my ($cc, $what, $command) = @_;
	my $copy = "$dir/$cc";

	system("mkdir -p $copy && tar --exclude=./.git --exclude=./tmp_check --exclude='*.o' -cf - . | tar -C $copy -xf -") == 0
	  or die "copy\n";
	my $output = `cd $copy && make -s -B -j2 $command 2>&1`;
	my $status = $?;

	is($status, 0, "$cc compiles $what");
	is($output =~ s/^make.*\n//gmr, '', "$cc says nothing about $what");
	return;
}

foreach my $cc (qw(gcc clang))
{
  SKIP:
	{
		skip "no $cc", 1 unless has($cc);
		compiles($cc, 'the extension', "CC=$cc WERROR=1 $pg all");
		compiles($cc, 'the sandbox', "CC=$cc CFLAGS='-O2 -g -Werror' -C sandbox")
		  if -e 'sandbox/Makefile';
		compiles($cc, 'the unit tests', "CC=$cc SANITIZE= -C test/unit all")
		  if -e 'test/unit/Makefile';
	}
}

done_testing();
