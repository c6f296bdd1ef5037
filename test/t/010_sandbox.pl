# The sandbox answers as IO does: each check in IO's order, profiles, the life
# of a message, the ledger's line, keys.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";
use IoSandbox;
use File::Temp qw(tempdir);
use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep);

my $CF = 'AAAAAA00A00A000A';

alarm(600);		# a test that waits for ever is to fail
my $ULID = '01ARZ3NDEKTSV4RRFFQ69G5FAV';
my $FOREIGN = '01ARZ3NDEKTSV4RRFFQ69G5FAW';
my $MISSING = '01ARZ3NDEKTSV4RRFFQ69G5FAX';
my ($true, $false, $null) = (JSON::PP::true, JSON::PP::false, undef);

my %plain = map { $_ => $false } qw(advanced_write advanced_read payee
	third_party eu_covid_cert);
my @services = (
	{ name => 'default' },
	{ name => 'plain', %plain, max_allowed_payment_amount => 0 },
	{ name => 'nogroups', has_groups => $false },
	{ name => 'noread', message_write => $false, message_read => $false },
	{ name => 'ghost', exists => $false },
	{ name => 'suspended', suspended => $true },
	{ name => 'elsewhere', authorized_cidrs => ['10.0.0.0/8'] },
	{ name => 'here', authorized_cidrs => [ '10.0.0.0/8', '127.0.0.0/8' ] },
	{ name => 'limited', limited => $true, message_write => $false,
		authorized_recipients => [$CF] },
	{ name => 'remote', configuration_ids => [$ULID] },
	{ name => 'other', account => 'another',
		configuration_ids => [$FOREIGN] });

sub write_config
{
	my $dir = tempdir(CLEANUP => 1);
	my %keys = (primary_key => $IoSandbox::KEY,
		secondary_key => $IoSandbox::SECONDARY);
	open(my $file, '>', "$dir/config.json") or die $!;
	print $file encode_json({
		accounts => [ { name => 'default', calls => 0 } ],
		services => [ map { { ($_->{name} eq 'default' ? %keys : ()), %$_ } }
			@services ] });
	close($file);
	return "$dir/config.json";
}

my $sandbox = IoSandbox->start('--config', write_config(),
	'--processing-delay-ms', '400', '--ledger-body');

# Sends as a service and says what came back in one line.
sub said
{
	my ($service, $method, $path, $body) = @_;
	my $key = !defined $service ? undef : $service eq 'default' ?
		$IoSandbox::KEY : "$service-primary-key";
	my $r = $sandbox->call($method, $path, $body,
		'Ocp-Apim-Subscription-Key' => $key);
	my $type = $r->{headers}{'content-type'} // '';
	my $shape = $type =~ /problem/ ? 'problem' :
		exists $r->{json}{statusCode} ? 'gateway' : 'json';
	my $text = $r->{json}{title} // $r->{json}{message} // '';
	$text .= ": $r->{json}{detail}" if $shape eq 'problem'
		&& $r->{json}{status} == $r->{status};
	return ("$r->{status} $shape $text", $r);
}

sub refused
{
	my ($name, $service, $body, $want, $path) = @_;
	my ($got) = said($service, 'POST', $path // '/messages', $body);
	like($got, $want, $name);
}

sub with { my ($type, %content) = @_;
	my $m = $sandbox->message($CF, %content);
	$m->{feature_level_type} = $type if $type;
	return $m; }

subtest 'errors of POST /messages, in order' => sub
{
	my $bad = { fiscal_code => $CF };
	my %pay = (amount => 100, notice_number => '012345678901234567');
	my %third = (id => 'x', configuration_id => $ULID);

	refused('1 no key', undef, $bad, qr/^401 gateway .*missing subscr/);
	refused('1 unknown key', 'nobody', $bad, qr/^401 gateway .*invalid/);
	refused('1 suspended', 'suspended', $bad, qr/^401 gateway .*invalid/);
	refused('3 cut JSON', 'nogroups', '{"a":', qr/^500 problem Internal server error: Unexpected end of JSON input$/);
	refused('3 wrong JSON', 'default', '{"a" 1}', qr/^500 problem Inte/);
	refused('3 no body', 'default', '', qr/^500 problem .*Unexpected end/);
	refused('4 no groups', 'nogroups', $bad, qr/^403 problem User has no/);
	refused('5 no write', 'noread', $bad,
		qr/^403 problem You are not allowed here: You do not have enough permission to complete the operation you requested$/);
	refused('6 no service', 'ghost', $bad, qr/^403 problem You are not al/);
	refused('7 structure', 'elsewhere', $bad, qr/^400 problem Invalid message structure: value undefined at root.content is not/);
	refused('8 code of the path', 'plain', with('ADVANCED'),
		qr/^400 problem Invalid string that matches the pattern/,
		'/messages/aaaaaa00a00a000a');
	refused('9 covid', 'plain', with('', eu_covid_cert => { auth_code => 'x' }),
		qr/permissions to send an EUCovidCert message$/);
	refused('9 payee', 'plain', with('', payment_data =>
			{ %pay, payee => { fiscal_code => '01234567890' } }),
		qr/^403 .*send a payment message with payee$/);
	refused('9 premium', 'plain', with('ADVANCED'), qr/a Premium message$/);
	refused('9 third', 'plain', with('', third_party_data => \%third),
		qr/a third party message$/);
	refused('10 address', 'elsewhere', { content => with()->{content} },
		qr/^403 problem You are not allowed here/);
	refused('12 no code', 'here', { content => with()->{content} },
		qr/^400 problem Bad parameters/);
	refused('12 code twice', 'here', with(), qr/^400 problem Bad param/,
		"/messages/$CF");
	refused('13 no configuration', 'default',
		with('', third_party_data => { id => 'x' }),
		qr/^403 problem No configuration id for remote content/);
	refused('14 unknown configuration', 'remote', with('', third_party_data =>
			{ id => 'x', configuration_id => $MISSING }),
		qr/^404 problem Remote Content Configuration NOT FOUND/);
	refused('15 foreign configuration', 'default', with('',
			third_party_data => { id => 'x', configuration_id => $FOREIGN }),
		qr/^403 problem Not your configuration/);
	refused('17 attachments', 'remote', with('STANDARD', third_party_data =>
			{ %third, has_attachments => $true }),
		qr/^403 problem Attachments call forbidden/);
	refused('18 recipient', 'limited', $sandbox->message('BBBBBB00A00A000A'),
		qr/^403 problem Recipient forbidden/);
	refused('20 amount', 'plain', with('', payment_data => \%pay),
		qr/^400 problem Error while sending payment metadata: The requested amount \(100 cents\) exceeds the maximum allowed for this service \(0 cents\)$/);
	refused('unknown route', 'default', with(), qr/^404 gateway/, '/nowhere');
	refused('accepted', 'default', with('ADVANCED', payment_data =>
			{ %pay, payee => { fiscal_code => '99999999999' } },
			third_party_data => { %third, has_attachments => $true }),
		qr/^201 json/);
	refused('limited may', 'limited', with(), qr/^201 json/);
	refused('address may', 'here', with(), qr/^201 json/);
	refused('code in path', 'default', { content => with()->{content} },
		qr/^201 json/, "/messages/$CF");
};

# field, value, whether IO takes it
my @values = (
	[ 'subject', 'x' x 9, 0 ], [ 'subject', 'x' x 10, 1 ],
	[ 'subject', 'x' x 120, 1 ], [ 'subject', 'x' x 121, 0 ],
	[ 'subject', "\x{1f600}" x 60, 1 ], [ 'subject', "\x{1f600}" x 61, 0 ],
	[ 'subject', "\x{e0}" x 120, 1 ], [ 'subject', ' ' x 10, 1 ],
	[ 'subject', 1234567890, 0 ], [ 'subject', "a\0" x 5, 1 ],
	[ 'markdown', 'x' x 79, 0 ], [ 'markdown', 'x' x 10000, 1 ],
	[ 'markdown', 'x' x 10001, 0 ], [ 'markdown', $null, 0 ],
	[ 'due_date', '2026-01-12T22:59:59Z', 1 ], [ 'due_date', $null, 0 ],
	[ 'due_date', '2026-01-12T22:59:59.123456+01:00', 1 ],
	[ 'due_date', '2026-01-12T22:59:59', 1 ], [ 'due_date', '2026-01-12', 0 ],
	[ 'due_date', '2026-01-12 22:59:59Z', 0 ],
	[ 'due_date', '2026-01-12T22:59:59+01', 0 ],
	[ 'due_date', '2026-13-12T22:59:59Z', 0 ],
	[ 'due_date', '2026-02-30T00:00:00Z', 1 ],
	[ 'due_date', '1990-01-01T00:00:00Z', 1 ],
	[ 'require_secure_channels', $true, 1 ],
	[ 'require_secure_channels', 'true', 0 ],
	[ 'require_secure_channels', $null, 0 ], [ 'payment_data', $null, 0 ],
	[ 'payment_data', { notice_number => '0' x 18 }, 0 ],
	[ 'prescription_data', { nre => 'short' }, 0 ],
	[ 'legal_data', { has_attachment => $true }, 0 ],
	[ 'unheard_of', { any => 'thing' }, 1 ],
	(map { [ 'payment_data',
				{ amount => $_->[0], notice_number => '3' . '0' x 17 },
				$_->[1] ] } [ 0, 0 ], [ 1, 1 ], [ 9999999999, 1 ],
			[ 10000000000, 0 ], [ '5', 0 ], [ 1.5, 0 ], [ $null, 0 ]),
	(map { [ 'payment_data', { amount => 1, notice_number => $_->[0] },
				$_->[1] ] } [ '4' . '0' x 17, 0 ], [ '0' x 17, 0 ],
			[ "0" x 18 . "\n", 0 ]),
	[ 'payment_data', { amount => 1, notice_number => '0' x 18,
			invalid_after_due_date => $null }, 1 ],
	[ 'payment_data', { amount => 1, notice_number => '0' x 18,
			payee => $null }, 0 ],
	[ 'payment_data', { amount => 1, notice_number => '0' x 18,
			payee => { fiscal_code => '1' x 12 } }, 0 ],
	(map { [ 'third_party_data', { id => 'x', configuration_id => $ULID,
					%{ $_->[0] } }, $_->[1] ] }
			[ {}, 1 ], [ { id => '' }, 0 ], [ { has_attachments => $null }, 1 ],
			[ { has_precondition => 'NEVER' }, 1 ],
			[ { has_precondition => 'NONE' }, 0 ],
			[ { configuration_id => '0e9852ccb8a04128bd637c807b9d80d3' }, 0 ],
			[ { configuration_id => lc $ULID }, 1 ],
			[ { original_receipt_date => 'soon' }, 0 ]));

subtest 'validation of the content' => sub
{
	my $show = JSON::PP->new->ascii->canonical->allow_nonref;
	for my $v (@values)
	{
		my $m = with();
		$m->{content}{ $v->[0] } = $v->[1];
		my ($got) = said('default', 'POST', '/messages', $m);
		my $shown = substr($show->encode($v->[1]), 0, 60);
		like($got, $v->[2] ? qr/^201/ :
			qr/^400 problem Invalid message structure: value .* at root\.content/,
			"$v->[0] $shown");
	}
};

subtest 'validation of the rest' => sub
{
	for my $v ([ 'time_to_live', 3599, 0 ], [ 'time_to_live', 604800, 1 ],
		[ 'time_to_live', 604801, 0 ], [ 'time_to_live', $null, 1 ],
		[ 'feature_level_type', $null, 1 ], [ 'feature_level_type', 'X', 0 ],
		[ 'default_addresses', { email => 'a@b' }, 0 ],
		[ 'default_addresses', { email => 'a@b.it' }, 1 ],
		[ 'fiscal_code', $null, 0 ], [ 'fiscal_code', lc $CF, 0 ],
		[ 'fiscal_code', '12345678901', 0 ], [ 'fiscal_code', "$CF ", 0 ],
		[ 'fiscal_code', 'RSSMRAAMA01H5L1X', 0 ],
		[ 'fiscal_code', 'RSSMRALMAL1HRL1X', 1 ], [ 'x', 1, 1 ])
	{
		my $m = with();
		$m->{ $v->[0] } = $v->[1];
		my ($got) = said('default', 'POST', '/messages', $m);
		like($got, $v->[2] ? qr/^201/ : qr/^400 problem Invalid message/,
			"$v->[0] " . ($v->[1] // 'null'));
	}
	my ($got) = said('default', 'POST', '/messages',
		'{"fiscal_code":"' . $CF . '","content":{"subject":"0123456789",'
			. '"markdown":"' . 'm' x 80 . '","payment_data":{"amount":100.0,'
			. '"notice_number":"' . '0' x 18 . '"}}}');
	like($got, qr/^201/, 'amount 100.0');
	($got) = said('default', 'POST', '/messages', '{"fiscal_code":1'
			. '0' x 30 . '}');
	like($got, qr/^400/, 'a number beyond 64 bits is still JSON');
};

subtest 'answer and ledger of an accepted message' => sub
{
	my %sent = (subject => "Caff\x{e8} \x{1f600} corretto", due_date =>
			'2026-01-12T23:59:59+01:00', payment_data => { amount => 100,
			notice_number => '0' x 18 }, unheard_of => 1);
	my ($said, $r) = said('default', 'POST', '/messages', with('', %sent));
	my @ledger = $sandbox->lines('ledger');
	my $line = $ledger[-1];
	my $c = $line->{content};
	my $all = grep { $_->{accepted} } $sandbox->lines('journal');

	like($r->{json}{id}, qr/^[0-9A-HJKMNP-TV-Z]{26}$/, 'a ULID');
	is($r->{headers}{location}, "/api/v1/messages/$CF/$r->{json}{id}",
		'Location');
	is($line->{id}, $r->{json}{id}, 'the ledger has its line at once');
	is("$line->{service} $line->{account} $line->{key}",
		'default default primary', 'service, account, key');
	is($line->{fiscal_code}, $CF, 'fiscal code');
	is($c->{subject}, $sent{subject}, 'subject');
	is($c->{due_date}, '2026-01-12T22:59:59.000Z', 'due_date in UTC');
	is($c->{payment_data}{payee}{fiscal_code}, '01234567890', 'payee');
	ok(!exists $c->{unheard_of}, 'unknown field dropped');
	like($line->{body}, qr/unheard_of/, 'body as it came');
	is(scalar @ledger, $all, 'as many lines as accepted');
	my %ids = map { $_->{id} => 1 } @ledger;
	is(scalar keys %ids, scalar @ledger, 'no id twice');
	is_deeply([ sort keys %ids ], [ map { $_->{id} } @ledger ], 'ids rise');
};

subtest 'profiles' => sub
{
	my %states = (ALLOWD => 'allowed', NOBODY => 'unknown',
		OPTOUT => 'opted_out', NOINBX => 'inbox_off');
	my %want = (allowed => qr/^200/, opted_out => qr/^200/,
		unknown => qr/^404 problem Profile not found: The profile you requested was not found in the system\.$/,
		inbox_off => qr/^404 problem Profile not found/);
	for my $name (sort keys %states)
	{
		my $code = "${name}00A00A000A";
		my $state = $states{$name};
		$sandbox->admin('PUT', "profiles/$code", { profile => $state });
		my ($got, $r) = said('plain', 'POST', '/profiles',
			{ fiscal_code => $code });
		like($got, $want{$state}, $state);
		is(!!$r->{json}{sender_allowed}, $state eq 'allowed',
			"$state: sender_allowed") if $r->{status} == 200;
		($got) = said('plain', 'GET', "/profiles/$code");
		like($got, $want{$state}, "$state by GET");
	}
	my $code = 'ONEONE00A00A000A';
	$sandbox->admin('PUT', "profiles/$code", { opted_out_of => ['plain'] });
	my (undef, $r) = said('plain', 'POST', '/profiles', { fiscal_code => $code });
	ok(!$r->{json}{sender_allowed}, 'opted out of one service');
	(undef, $r) = said('default', 'POST', '/profiles', { fiscal_code => $code });
	ok($r->{json}{sender_allowed}, 'but not of another');
	for my $t ([ 'default', {}, qr/^400 problem Invalid FiscalCodePayload: value undefined at root.fiscal_code/ ],
		[ 'default', { fiscal_code => 'x' }, qr/^400 .*value "x" at root/ ],
		[ 'default', '[', qr/^500 problem/ ], [ 'limited', { fiscal_code =>
				'BBBBBB00A00A000A' }, qr/^403 problem Recipient forbidden/ ],
		[ 'elsewhere', { fiscal_code => $CF }, qr/^403 problem You are/ ],
		[ 'nogroups', { fiscal_code => $CF }, qr/^403 problem User has/ ],
		[ undef, {}, qr/^401 gateway/ ])
	{
		my ($got) = said($t->[0], 'POST', '/profiles', $t->[1]);
		like($got, $t->[2], "profile $t->[2]");
	}
	my ($got) = said('default', 'GET', '/profiles/x');
	like($got, qr/^400 problem Invalid string that matches/, 'GET of no code');

	my $set = sub { $sandbox->admin('PUT', 'settings', { unknown => $_[0],
				opted_out => $_[0], inbox_off => $_[0] }) };
	my $states = sub { map { $sandbox->admin('GET',
				sprintf('profiles/RULERU%02dA01A%03dA', $_ % 100, $_))->{profile}
		} 1 .. 200 };
	$set->(0.2);
	my @first = $states->();
	my %count;
	$count{$_}++ for @first;
	ok(($count{$_} // 0) > 15, "rule: some $_")
		for qw(allowed unknown opted_out inbox_off);
	is_deeply([ $states->() ], \@first, 'the same each time');
	$set->(0);
};

# Accepts a message and returns its path.
sub accept_one
{
	my ($code, $type, %content) = @_;
	my $m = $sandbox->message($code, %content);
	$m->{feature_level_type} = $type;
	my ($got, $r) = said('default', 'POST', '/messages', $m);
	return "/messages/$code/$r->{json}{id}";
}

subtest 'the life of a message' => sub
{
	my %pay = (payment_data => { amount => 1, notice_number => '0' x 18 });
	$sandbox->admin('PUT', 'profiles/FAILED00A00A000A',
		{ outcome => 'FAILED' });
	my %path = (PROCESSED => accept_one($CF, 'STANDARD', %pay),
		REJECTED => accept_one('OPTOUT00A00A000A', 'ADVANCED'),
		FAILED => accept_one('FAILED00A00A000A', 'ADVANCED'));
	my $advanced = accept_one($CF, 'ADVANCED', %pay);
	my (undef, $new) = said('default', 'GET', $path{PROCESSED});
	is($new->{json}{status}, 'ACCEPTED', 'ACCEPTED at first');
	ok(!exists $new->{json}{message}{content}, 'and without content');
	is($new->{json}{message}{fiscal_code}, $CF, 'fiscal code');
	sleep(0.5);
	for my $status (sort keys %path)
	{
		my (undef, $r) = said('default', 'GET', $path{$status});
		is($r->{json}{status}, $status, "then $status");
		ok(!exists $r->{json}{read_status}, "$status: no read_status");
		is(exists $r->{json}{message}{content}, $status eq 'PROCESSED',
			"$status: content");
	}
	my $seen = sub { my (undef, $r) = said('default', 'GET', $advanced);
		return join(' ', $r->{status}, map { $r->{json}{$_} // '-' }
			qw(status read_status payment_status)); };
	is($seen->(), '200 PROCESSED UNREAD NOT_PAID', 'ADVANCED');
	my ($id) = $advanced =~ m{([^/]+)$};
	$sandbox->admin('PUT', "messages/$id",
		{ read_status => 'READ', payment_status => 'PAID' });
	is($seen->(), '200 PROCESSED READ PAID', 'read and paid');
	$sandbox->admin('PUT', "messages/$id", { payment_status => 'ERROR' });
	is($seen->(), '500 500 - -', 'payment not to be found out: 500');
	$sandbox->admin('PUT', "messages/$id", { status => 'FAILED' });
	is($seen->(), '200 FAILED - -', 'status by hand');

	for my $t ([ 'plain', $path{PROCESSED}, qr/^403 problem You are not allowed here: You are not allowed to read this message, you can only read messages that you have sent$/ ],
		[ 'default', "/messages/BBBBBB00A00A000A/$id", qr/^404 problem Message not found/ ],
		[ 'default', "/messages/$CF/$MISSING", qr/^404 problem Message not/ ],
		[ 'default', "/messages/x/$id", qr/^400 problem/ ],
		[ 'noread', $advanced, qr/^403 problem/ ], [ undef, $advanced, qr/^401 g/ ])
	{
		my ($got) = said($t->[0], 'GET', $t->[1]);
		like($got, $t->[2], "GET: $t->[2]");
	}
};

subtest 'keys at run time' => sub
{
	my $ask = sub { $sandbox->call('POST', '/profiles',
			{ fiscal_code => $CF },
			'Ocp-Apim-Subscription-Key' => $_[0])->{status} };
	$sandbox->admin('POST', 'keys', { service => 'default', revoke => 'primary' });
	is($ask->($IoSandbox::KEY), 401, 'primary revoked');
	is($ask->($IoSandbox::SECONDARY), 200, 'secondary still good');
	$sandbox->admin('POST', 'keys', { primary => 'new' });
	is($ask->('new'), 200, 'a new primary key');
	$sandbox->admin('POST', 'keys', { primary => $IoSandbox::KEY });
	$sandbox->admin('PUT', 'services/plain', { suspended => $true });
	is($ask->('plain-primary-key'), 401, 'suspended');
	$sandbox->admin('PUT', 'services/plain', { suspended => $false });
	is($ask->('plain-primary-key'), 200, 'and no longer');
	is($sandbox->call('PUT', '/admin/services/plain', { x => 1 })->{status},
		400, 'unknown field of a service refused');
};

is($sandbox->stop, 0, 'ends cleanly');

done_testing();
