#!/usr/bin/perl
#
# hostile.pl: give a cluster that is not running the settings of IOMSG_HOSTILE.
#
#   hostile.pl DATADIR
#
# IOMSG_HOSTILE is "name=value;name=value".  IOMSG_HOSTILE_WHERE says where
# they are set: server (postgresql.conf, the default), database (postgres), role
# (the first superuser).  A schema "hostile" is made, of which search_path may
# speak: its look-alikes of pg_catalog's objects are those of
# script/lib/hostile.sql, and raise an error when they are used.

use strict;
use warnings FATAL => 'all';

use IPC::Run qw(run);

my ($data) = @ARGV;
my $where = $ENV{IOMSG_HOSTILE_WHERE} // 'server';
my @settings = map { [ split /=/, $_, 2 ] } split /;/, $ENV{IOMSG_HOSTILE} // '';

sub literal { my ($text) = @_; return "'" . ($text =~ s/'/''/gr) . "'"; }

# Statements, each with an empty line after it, in single-user mode.
sub execute
{
	my ($database, $sql) = @_;
	my $said;

	run([ 'postgres', '--single', '-F', '-j', '-c', 'exit_on_error=on', '-D', $data, $database ],
		'<', \$sql, '>&', \$said)
	  or die "hostile.pl: $said\n";
	return;
}

my $look_alikes = do {
	local $/;
	open(my $fh, '<', $0 =~ s/\.pl$/.sql/r) or die "hostile.sql: $!\n";
	<$fh> =~ s{/\*.*?\*/}{}grs;
};
execute($_, $look_alikes) foreach 'template1', 'postgres';

# What the tests' sessions take back is taken back by those of any role.
# That can be granted from PostgreSQL 15 on.
execute('postgres', q{DO $$ BEGIN
	IF current_setting('server_version_num')::integer >= 150000 THEN
		EXECUTE 'GRANT SET ON PARAMETER session_replication_role, auto_explain.log_min_duration TO PUBLIC';
	END IF;
END $$} . ";\n\n");

if ($where eq 'server')
{
	open(my $conf, '>>', "$data/postgresql.conf") or die "postgresql.conf: $!\n";
	print $conf map { "$_->[0] = " . literal($_->[1]) . "\n" } @settings;
	close($conf) or die "postgresql.conf: $!\n";
}
else
{
	my $whose = $where eq 'database' ? 'DATABASE postgres' : 'ROLE CURRENT_USER';

	# A list is set as a list, a name as a name.
	execute('postgres', join '', map {
		my $value = $_->[0] =~ /^(?:search_path|temp_tablespaces|role)$/ ? $_->[1] : literal($_->[1]);
		"ALTER $whose SET $_->[0] = $value;\n\n" } @settings);
}
